/** T8 and T9: what browsers ask first, foreign hosts, and the many ways to spell a route. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startServer, type TestServer } from "../support/server.ts";
import { ask, CHAT, COMPLETIONS, JSON_TYPE, raw } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const ROUTES = ["/", "/health", "/metrics", "/v1/models", "/v1/models/shimmy-tiny", CHAT, COMPLETIONS];
const page = "http://localhost:3000";
const preflight = (headers: Record<string, string> = {}) => ({
  method: "OPTIONS",
  headers: {
    origin: page,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, x-api-key, x-stainless-os, anthropic-version",
    ...headers,
  },
});

describe.each(ROUTES)("%s", (path) => {
  test("T8 answers the preflight of a page on localhost, with every header that the SDKs send", async () => {
    const { status, headers, text } = await raw(server, path, preflight());
    expect([status, text]).toEqual([204, ""]);
    expect(headers["access-control-allow-origin"]).toBe(page);
    expect(headers["access-control-allow-methods"]).toContain("POST");
    for (const name of ["authorization", "x-stainless-os", "anthropic-version"])
      expect(headers["access-control-allow-headers"]).toContain(name);
    expect(headers.vary).toMatch(/origin/i);
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  test("T8 lets a page into the private network only if the browser asks, and the page may", async () => {
    const wish = { "access-control-request-private-network": "true" };
    expect((await raw(server, path, preflight())).headers).not.toHaveProperty("access-control-allow-private-network");
    expect((await raw(server, path, preflight(wish))).headers["access-control-allow-private-network"]).toBe("true");
    const foreign = await raw(server, path, preflight({ ...wish, origin: "https://evil.example" }));
    expect(foreign.headers).not.toHaveProperty("access-control-allow-private-network");
  });

  test.each(["https://evil.example", "http://localhost.evil.example", "null", "http://localhost:3000.evil.example"])(
    "T8 gives the page %s nothing to read",
    async (origin) => {
      for (const request of [preflight({ origin }), { method: "GET", headers: { origin } }]) {
        const { status, headers } = await raw(server, path, request);
        expect(status).toBe(403);
        expect(headers).not.toHaveProperty("access-control-allow-origin");
      }
    },
  );

  test.each(["evil.example", "evil.example:11435", "localhost.evil.example", "127.0.0.1.evil.example", "2130706433"])(
    "T8 refuses the host %s, as a name that was rebound to this machine would send",
    async (host) => {
      const { status, text } = await raw(server, path, { headers: { host } });
      expect(status).toBe(403);
      expect(JSON.parse(text).error.code).toBe("host_not_allowed");
    },
  );

  test.each(["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]"])("T8 takes the host %s", async (host) => {
    expect((await raw(server, path, { headers: { host } })).status).not.toBe(403);
  });
});

const body = JSON.stringify({ messages: ask("hello"), max_tokens: 1 });

test("T8 curl, which sends no origin, is answered, also as it sends -d without a header", async () => {
  const types = [JSON_TYPE, { "content-type": "application/x-www-form-urlencoded" }, {}];
  for (const headers of types) expect((await raw(server, CHAT, { method: "POST", headers, body })).status).toBe(200);
});

test("T8 a page on localhost may read the answer, whole, streamed or refused", async () => {
  const headers = { origin: page, ...JSON_TYPE };
  const stream = JSON.stringify({ ...JSON.parse(body), stream: true });
  for (const [text, status] of [
    [body, 200],
    [stream, 200],
    ["{", 400],
  ] as const) {
    const answer = await raw(server, CHAT, { method: "POST", headers, body: text });
    expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([status, page]);
  }
});

test("T8 a page that sends what needs no preflight starts no work", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    expect((await raw(server, CHAT, { method: "POST", headers: { origin: page, "content-type": type }, body })).status).toBe(415);
  expect((await raw(server, CHAT, { method: "POST", headers: { origin: "https://evil.example", ...JSON_TYPE }, body })).status).toBe(403);
});

test.each(["GET", "HEAD"])("T9 %s / is a 200", async (method) => {
  const { status, text } = await raw(server, "/", { method });
  expect(status).toBe(200);
  if (method === "HEAD") expect(text).toBe("");
  else expect(JSON.parse(text)).toMatchObject({ service: "shimmy", routes: expect.arrayContaining([CHAT]) });
});

test.each(ROUTES.filter((path) => path !== CHAT && path !== COMPLETIONS))("T9 HEAD %s is a 200 without a body", async (path) => {
  expect(await raw(server, path, { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
});

const spellings = (path: string) =>
  [path, path.slice("/v1".length)].flatMap((base) => ["", "/", "?beta=true", "/?beta=true"].map((end) => base + end));

test.each([...spellings("/v1/models"), ...spellings("/v1/models/shimmy-tiny")])("T9 GET %s is answered", async (path) => {
  const { status, text } = await raw(server, path);
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject(path.includes("tiny") ? { id: "shimmy-tiny" } : { object: "list" });
});

test.each(spellings(CHAT))("T9 POST %s is answered", async (path) => {
  expect(await (await post(server, path, body)).json()).toMatchObject({ object: "chat.completion" });
});

test.each(spellings(COMPLETIONS))("T9 POST %s is answered", async (path) => {
  expect(await (await post(server, path, { prompt: "hi", max_tokens: 1 })).json()).toMatchObject({ object: "text_completion" });
});
