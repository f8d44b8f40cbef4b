import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { excessOf, MAX_DEPTH, MAX_PARTS } from "./json-extent.ts";

/** As a parser would count. */
function partsOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members = Array.isArray(value) ? 0 : Object.keys(value).length;
  return 1 + members + Object.values(value).reduce((sum: number, each) => sum + partsOf(each), 0);
}

/** Its text in a list that leaves room for exactly `room` parts. */
function besides(value: unknown, room: number): string {
  const filler = Array.from({ length: MAX_PARTS - 1 - room }, () => "[]").join(",");
  return `[${filler},${JSON.stringify(value)}]`;
}

describe("what is too much", () => {
  test("is counted as a parser would: brackets, colons and quotes in strings are text", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.string(), (json, text) => {
        const value = { json, [text]: `{"[:${text}\\` };
        const parts = partsOf(value);
        expect(excessOf(besides(value, parts))).toBeUndefined();
        expect(excessOf(besides(value, parts - 1))).toContain(String(MAX_PARTS));
      }),
      { numRuns: 30 },
    );
  });

  test("is not a long text, nor a long list of numbers", () => {
    expect(
      excessOf(JSON.stringify({ prompt: Array.from({ length: 1_000_000 }, () => 7), text: '{"[":'.repeat(1_000_000) })),
    ).toBeUndefined();
  });

  test("is nesting that recursion cannot follow", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    expect(excessOf(nested(MAX_DEPTH))).toBeUndefined();
    expect(excessOf(nested(MAX_DEPTH + 1))).toContain(String(MAX_DEPTH));
    expect(() => JSON.stringify(JSON.parse(nested(MAX_DEPTH)))).not.toThrow();
  });

  test.each(["", '"', '"\\', '"\\"', "[{", "}}]]", '{"a":"\\\\"}'])("%j is left to the parser", (text) => {
    expect(excessOf(text)).toBeUndefined();
  });
});
