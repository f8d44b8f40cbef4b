import fc from "fast-check";
import { expect, test } from "vitest";
import { lookup } from "./draft.ts";

test("what followed the same three tokens comes again", () => {
  expect(lookup([1, 2, 3, 4, 5, 6, 9, 1, 2, 3], 2)).toEqual([4, 5]);
});

test("the latest occurrence counts, and three tokens alike more than two that are later", () => {
  expect(lookup([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3], 1)).toEqual([5]);
  expect(lookup([1, 2, 3, 4, 7, 2, 3, 5, 1, 2, 3], 1)).toEqual([4]);
  expect(lookup([1, 2, 3, 4, 7, 2, 3], 1)).toEqual([4]);
});

test("a repetition goes on", () => {
  expect(lookup([8, 8, 8, 8], 5)).toEqual([8, 8, 8, 8, 8]);
  expect(lookup([1, 2, 1, 2, 1, 2], 5)).toEqual([1, 2, 1, 2, 1]);
});

test("nothing is guessed where nothing repeats, or too little", () => {
  for (const tokens of [[], [1], [1, 1], [1, 2, 3, 4], [1, 2, 3, 9, 3]]) expect(lookup(tokens, 4)).toEqual([]);
  expect(lookup([1, 2, 3, 4, 1, 2, 3], 0)).toEqual([]);
});

test("a guess is there exactly when the last two tokens are not new, and is what stands behind them", () => {
  const tokens = fc.array(fc.nat(3), { maxLength: 60 });
  fc.assert(
    fc.property(tokens, fc.integer({ min: 1, max: 9 }), (tokens, most) => {
      const guess = lookup(tokens, most);
      const goesOn = [...tokens, ...guess];
      const holds = (end: number, wanted: readonly number[]) => wanted.every((token, i) => goesOn[end - 2 + i] === token);
      const earlier = Array.from({ length: Math.max(0, tokens.length - 2) }, (_, i) => i + 2);
      expect(guess.length).toBe(earlier.some((end) => holds(end, tokens.slice(-2))) ? most : 0);
      if (guess.length > 0) expect(earlier.some((end) => holds(end, [...tokens.slice(-2), ...guess]))).toBe(true);
    }),
  );
});
