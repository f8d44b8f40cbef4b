import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLoopback } from "../config/listen.ts";
import { checkHost, checkKey, corsHeaders, type GuardSettings, isStrict, preflightHeaders } from "./guards.ts";

const settings = (changed: Partial<GuardSettings> = {}): GuardSettings => ({
  loopback: true,
  allowedHosts: [],
  corsOrigins: [],
  apiKey: [],
  ...changed,
});
const headers = (values: Record<string, string>) => (name: string) => values[name];

describe("checkHost", () => {
  const check = (host?: string, changed?: Partial<GuardSettings>) => () =>
    checkHost(settings(changed), headers(host === undefined ? {} : { host }));
  const refused = expect.objectContaining({ code: "host_not_allowed" });

  test.each(["localhost", "localhost:11435", "LocalHost", "127.0.0.1:1", "[::1]", "[::1]:80", "[::ffff:127.0.0.1]:80", "a.b.localhost"])(
    "%s is this machine",
    (host) => {
      expect(check(host)).not.toThrow();
    },
  );

  test("a request without the header is no browser's", () => {
    expect(check(undefined)).not.toThrow();
  });

  test.each([
    "",
    ":80",
    "evil.example",
    "localhost.evil.example",
    "xlocalhost",
    "127.0.0.2",
    "::1",
    "[::1",
    "localhost:80:80",
    "localhost:x",
  ])("%s is not", (host) => {
    expect(check(host)).toThrow(refused);
  });

  test("an allowed host may be named with or without a port, * is any", () => {
    expect(check("box:8080", { allowedHosts: ["BOX"] })).not.toThrow();
    expect(check("box:8080", { allowedHosts: ["box:8080"] })).not.toThrow();
    expect(check("box:8081", { allowedHosts: ["box:8080"] })).toThrow(refused);
    expect(check("other", { allowedHosts: ["box"] })).toThrow(refused);
    expect(check("other", { allowedHosts: ["*"] })).not.toThrow();
  });

  test("on an address that others reach, only a list that was given counts", () => {
    expect(check("anything", { loopback: false })).not.toThrow();
    expect(check("anything", { loopback: false, allowedHosts: ["box"] })).toThrow(refused);
  });

  test("no name of another domain is ever this machine", () => {
    fc.assert(
      fc.property(fc.domain(), fc.option(fc.nat(65_535)), (name, port) => {
        expect(check(port === null ? name : `${name}:${port}`)).toThrow(refused);
      }),
    );
  });
});

describe("checkKey", () => {
  const check =
    (values: Record<string, string>, apiKey = ["one", "two"]) =>
    () =>
      checkKey(settings({ apiKey }), headers(values));

  test("without keys nobody is asked for one", () => {
    expect(check({}, [])).not.toThrow();
    expect(check({ authorization: "Bearer anything" }, [])).not.toThrow();
  });

  test("each key opens, as Bearer in any case and as x-api-key", () => {
    for (const values of [{ authorization: "Bearer one" }, { authorization: "bearer  two " }, { "x-api-key": "two" }])
      expect(check(values)).not.toThrow();
  });

  test("what is no key is missing, what is another key is invalid", () => {
    for (const values of [{}, { authorization: "" }, { authorization: "Basic b25l" }, { authorization: "one" }, { "x-api-key": "" }])
      expect(check(values as Record<string, string>)).toThrow(expect.objectContaining({ code: "missing_api_key" }));
    for (const values of [
      { authorization: "Bearer On" },
      { authorization: "Bearer onetwo" },
      { "x-api-key": "one,two" },
      { "x-api-key": " one" },
    ])
      expect(check(values as Record<string, string>)).toThrow(expect.objectContaining({ code: "invalid_api_key" }));
  });

  test("a Bearer that is wrong is not helped by an x-api-key that is right", () => {
    expect(check({ authorization: "Bearer wrong", "x-api-key": "one" })).toThrow(expect.objectContaining({ code: "invalid_api_key" }));
  });

  test("only the keys themselves open", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (key) => {
        fc.pre(key !== "one" && key !== "two");
        expect(check({ "x-api-key": key })).toThrow(expect.objectContaining({ status: 401 }));
      }),
    );
  });

  test("an error never tells a key", () => {
    try {
      check({ authorization: "Bearer secret-guess" })();
    } catch (error) {
      expect(JSON.stringify(error)).not.toMatch(/secret-guess|one|two/);
    }
    expect.assertions(1);
  });
});

describe("corsHeaders", () => {
  const cors = (origin: string | undefined, corsOrigins: string[] = []) =>
    corsHeaders(settings({ corsOrigins }), headers(origin === undefined ? {} : { origin }));

  test("without an origin there are none", () => {
    expect(cors(undefined)).toEqual({});
  });

  test.each(["http://localhost", "https://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080", "http://app.localhost:1"])(
    "%s is allowed",
    (origin) => {
      expect(cors(origin)).toMatchObject({ "access-control-allow-origin": origin, vary: "Origin" });
    },
  );

  test.each([
    "null",
    "",
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example/localhost",
    "file://localhost",
    "chrome-extension://abc",
    "localhost",
  ])("%s is refused", (origin) => {
    expect(() => cors(origin)).toThrow(expect.objectContaining({ code: "origin_not_allowed" }));
  });

  test("a configured origin is compared whole; * is any", () => {
    expect(cors("https://App.example", ["https://app.example"])).toMatchObject({ "access-control-allow-origin": "https://App.example" });
    for (const origin of ["https://app.example:444", "http://app.example", "https://app.example.evil"])
      expect(() => cors(origin, ["https://app.example"])).toThrow();
    expect(cors("https://evil.example", ["*"])).toMatchObject({ "access-control-allow-origin": "https://evil.example" });
    expect(cors("null", ["*"])).toMatchObject({ "access-control-allow-origin": "null" });
  });
});

describe("preflightHeaders", () => {
  test("grants the headers that were asked for, and the private network only if asked", () => {
    expect(preflightHeaders(headers({ "access-control-request-headers": "x-stainless-os, authorization" }))).toMatchObject({
      "access-control-allow-headers": "x-stainless-os, authorization",
    });
    expect(preflightHeaders(headers({}))).not.toHaveProperty("access-control-allow-private-network");
    expect(preflightHeaders(headers({ "access-control-request-private-network": "true" }))).toMatchObject({
      "access-control-allow-private-network": "true",
    });
  });
});

test.each([
  ["127.0.0.1", true],
  ["127.1.2.3", true],
  ["localhost", true],
  ["::1", true],
  ["[::1]", true],
  ["0.0.0.0", false],
  ["::", false],
  ["192.168.0.7", false],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example", false],
])("isLoopback(%s) is %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

test("only a caller with a strict key is strict", () => {
  const strict = (values: Record<string, string>, keys?: readonly string[]) =>
    isStrict(settings({ apiKey: ["a", "b"], ...(keys && { strictKeys: keys }) }), headers(values));
  expect([strict({ authorization: "Bearer b" }, ["b"]), strict({ "x-api-key": "b" }, ["c", "b"])]).toEqual([true, true]);
  expect([strict({ authorization: "Bearer a" }, ["b"]), strict({}, ["b"]), strict({ "x-api-key": "b" })]).toEqual([false, false, false]);
});
