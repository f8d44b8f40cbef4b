import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aliasFor, aliasTable, reasonNotAnAlias } from "./alias-table.ts";

describe("what can be an alias", () => {
  test.each(["fast", "gpt-4o", "gpt-*", "*", "a/b:c", "模型", "x".repeat(128)])("%s can", (name) => {
    expect(reasonNotAnAlias(name)).toBeUndefined();
  });
  test.each(["", " a", "a b", "a\n", "\u001b[31m", "a,b", "a=b", "a*b*", "Default", "auto", "x".repeat(129), "\u202e"])(
    "%j cannot",
    (name) => {
      expect(reasonNotAnAlias(name)).toMatch(/./);
    },
  );
});

test("a longer pattern is asked before a shorter one, settings before what was saved", () => {
  const table = aliasTable({ "*": "any", "gpt-*": "gpt", "gpt-4*": "gpt4" }, { "gpt-4*": "saved", "x-*": "x", whole: "w" });
  const meant = (name: string) => aliasFor(name, table)?.target;
  expect([meant("gpt-4-turbo"), meant("gpt-3"), meant("claude"), meant("whole"), meant("GPT-4")]).toEqual([
    "gpt4",
    "gpt",
    "any",
    "w",
    "gpt4",
  ]);
});

test("the star stands for any letters, none included, and never for the same letter twice", () => {
  const table = aliasTable({ "ab*ba": "m" });
  expect(["abba", "abxba", "aba", "ab", "xabba"].map((name) => aliasFor(name, table) !== undefined)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("the order of the entries changes nothing", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[abAB]{0,2}\*?[ab]{0,2}$/), fc.constantFrom("x", "y")), fc.string(), (entries, name) => {
      const reversed = Object.fromEntries(Object.entries(entries).reverse());
      expect(aliasTable(reversed)).toEqual(aliasTable(entries));
      expect(aliasFor(name, aliasTable(reversed))).toEqual(aliasFor(name, aliasTable(entries)));
    }),
  );
});
