import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { upstreamList } from "./upstream-list.ts";

const BASE = { folder: "/", home: "/" };
const parse = (text: string) => upstreamList.parse(text, BASE);

test("an upstream is a URL, with a key, a weight and a name", () => {
  expect(parse("http://a:8000; big=https://b.example/llm/v1/,key=k,weight=2.5")).toEqual([
    { url: "http://a:8000", name: "a:8000", weight: 1 },
    { url: "https://b.example/llm", name: "big", key: "k", weight: 2.5 },
  ]);
});

test("what is printed is read as the same", () => {
  const entry = fc.record({
    url: fc.constantFrom("http://a:1", "https://b/x", "http://[::1]:9"),
    key: fc.constantFrom("", ",key=a=b"),
    weight: fc.constantFrom("", ",weight=0.5"),
    name: fc.nat().map((n) => `n${n}=`),
  });
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ({ name }) => name }), (list) => {
      const read = parse(list.map(({ url, key, weight, name }) => name + url + key + weight).join(";"));
      expect(parse(upstreamList.format(read))).toEqual(read);
    }),
  );
});

describe("is refused:", () => {
  test.each([
    "ftp://a",
    "a:8000",
    "http://user:pw@a",
    "http://a?x=1",
    "http://a,weight=0",
    "http://a,weight=many",
    "http://a,colour=red",
    "http://a,key",
    "a b=http://a",
    "http://a;http://a",
  ])("%s", (text) => expect(() => parse(text)).toThrow(/use .*URL/));
});
