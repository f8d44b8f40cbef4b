import fc from "fast-check";
import { expect, test } from "vitest";
import { adapterFiles } from "./adapter-files.ts";
import { BadValue } from "./kinds.ts";

const base = { folder: "/work", home: "/home/me" };
const parse = (text: string) => adapterFiles.parse(text, base);

test.each([
  ["a.gguf", [{ path: "/work/a.gguf", scale: 1 }]],
  ["~/a.gguf=0.5", [{ path: "/home/me/a.gguf", scale: 0.5 }]],
  [
    "/a.gguf=0;/b=c.gguf",
    [
      { path: "/a.gguf", scale: 0 },
      { path: "/b=c.gguf", scale: 1 },
    ],
  ],
  ["/a=2=-1", [{ path: "/a=2", scale: -1 }]],
  ["", []],
])("'%s' is understood", (text, value) => expect(parse(text)).toEqual(value));

test.each(["=1", "a\0b", "a.gguf=1001"])("'%s' is refused", (text) => expect(() => parse(text)).toThrow(BadValue));

test("property: what is printed is understood as what it was", () => {
  const file = fc.string({ minLength: 1 }).filter((name) => !/[;\0/]/.test(name) && name.trim() === name && !/^\.\.?$/.test(name));
  const scale = fc.oneof(fc.constant(1), fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(0.25, -0.5, 1.75));
  fc.assert(
    fc.property(fc.array(fc.record({ file, scale }), { maxLength: 4 }), (adapters) => {
      const value = adapters.map(({ file, scale }) => ({ path: `/x/${file}`, scale }));
      expect(parse(adapterFiles.format(value))).toEqual(value);
    }),
  );
});
