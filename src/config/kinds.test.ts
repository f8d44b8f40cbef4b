import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { address, BadValue, boolean, bytes, choice, duration, integer, keepAlive, orAuto, paths, words } from "./kinds.ts";

const base = { folder: "/work", home: "/home/me" };

describe("address", () => {
  test.each([
    ["auto", "auto"],
    ["AUTO", "auto"],
    ["127.0.0.1:11435", { host: "127.0.0.1", port: 11435 }],
    ["localhost:1234", { host: "localhost", port: 1234 }],
    ["[::1]:0", { host: "::1", port: 0 }],
    ["0.0.0.0:65535", { host: "0.0.0.0", port: 65535 }],
  ])("%s is understood", (text, value) => expect(address.parse(text, base)).toEqual(value));

  test.each([
    "",
    "11435",
    ":80",
    "localhost",
    "::1:80",
    "[::1]",
    "[localhost]:1",
    "host:65536",
    "host:-1",
    "http://host:80",
    "a b:1",
    "host:80/x",
  ])("'%s' is refused", (text) => expect(() => address.parse(text, base)).toThrow(BadValue));
});

describe("duration in milliseconds", () => {
  test.each([
    ["5m", 300_000],
    ["90", 90_000],
    ["1.5s", 1500],
    ["250ms", 250],
    ["2h", 7_200_000],
    ["0", 0],
  ])("%s", (text, ms) => expect(duration.parse(text, base)).toBe(ms));
  test.each(["", "soon", "-1s", "5 minutes", "30d", "1e3", "Infinity"])("'%s' is refused", (text) =>
    expect(() => duration.parse(text, base)).toThrow(BadValue),
  );
});

describe("bytes", () => {
  test.each([
    ["2GB", 2 * 1024 ** 3],
    ["2GiB", 2 * 1024 ** 3],
    ["1.5m", 1.5 * 1024 ** 2],
    ["64 KB", 65_536],
    ["100", 100],
  ])("%s", (text, size) => expect(bytes.parse(text, base)).toBe(size));
  test.each(["", "0", "-1", "2XB", "GB", "9".repeat(30)])("'%s' is refused", (text) =>
    expect(() => bytes.parse(text, base)).toThrow(BadValue),
  );
});

describe("integer", () => {
  test("the word for zero and zero are the same", () => {
    const kind = integer("n", 0, 10, "auto");
    expect([kind.parse("auto", base), kind.parse("0", base), kind.parse("10", base)]).toEqual([0, 0, 10]);
    expect(kind.format(0)).toBe("auto");
  });
  test.each(["", "11", "-1", "1.5", "0x5", "1e1", "five"])("'%s' is refused", (text) =>
    expect(() => integer("n", 0, 10).parse(text, base)).toThrow(BadValue),
  );
});

test("booleans have four spellings each and no others", () => {
  expect(["true", "1", "YES", "on"].map((text) => boolean.parse(text, base))).toEqual([true, true, true, true]);
  expect(["false", "0", "no", "Off"].map((text) => boolean.parse(text, base))).toEqual([false, false, false, false]);
  expect(() => boolean.parse("maybe", base)).toThrow("true or false");
});

test("a choice names what there is", () => {
  expect(choice("text", "json").parse("JSON", base)).toBe("json");
  expect(() => choice("text", "json").parse("xml", base)).toThrow("text, json");
});

describe("paths", () => {
  test("`;` separates on every system, else the separator of PATH does", () => {
    expect(paths(":").parse("/a;/b:c", base)).toEqual(["/a", "/b:c"]);
    expect(paths(":").parse("/a:/b", base)).toEqual(["/a", "/b"]);
    expect(paths(";").parse("/c:x", base)).toEqual(["/c:x"]);
  });
  test("are absolute, from the folder of their source or from the home folder", () => {
    expect(paths(":").parse("models;../x;~/gguf;~other", base)).toEqual(["/work/models", "/x", "/home/me/gguf", "/work/~other"]);
  });
  test("one path with the separator in its name survives printing", () => {
    const kind = paths(":");
    expect(kind.parse(kind.format(["/a:b"]), base)).toEqual(["/a:b"]);
  });
});

test("words are split at commas and each must fit", () => {
  const kind = words("names", /^\w+$/, "a word");
  expect(kind.parse(" a, b ,", base)).toEqual(["a", "b"]);
  expect(() => kind.parse("a,b c", base)).toThrow("a word");
});

test("a keep-alive is a time, 0 or -1, and survives printing", () => {
  expect(["5m", "1h30m", "300", "0", "-1"].map((raw) => keepAlive.parse(raw, base))).toEqual([300_000, 5_400_000, 300_000, 0, -1]);
  fc.assert(
    fc.property(fc.integer({ min: -1, max: 2_147_483_647 }), (ms) => {
      expect(keepAlive.parse(keepAlive.format(ms), base)).toBe(ms);
    }),
  );
  expect(() => keepAlive.parse("soon", base)).toThrow("1h30m");
});

test("auto is a word beside every kind of value", () => {
  const kind = orAuto(bytes);
  expect([kind.parse("auto", base), kind.parse("2GB", base)]).toEqual([undefined, 2 * 1024 ** 3]);
  expect([kind.format(undefined), kind.format(1024)]).toEqual(["auto", "1KB"]);
  expect(() => kind.parse("much", base)).toThrow("auto, or a size");
});
