import fc from "fast-check";
import { expect, test } from "vitest";
import { logprobs } from "./logprobs.ts";

const row = (...logits: number[]) => Float32Array.from(logits);

test("logits that differ by ln 2 give probabilities that differ by a factor of two", () => {
  const { logprob, top } = logprobs(row(Math.log(1), Math.log(2), Math.log(1)), 1, 3);
  expect(Math.exp(logprob)).toBeCloseTo(0.5);
  expect(top.map(({ token, logprob }) => [token, Math.round(Math.exp(logprob) * 100)])).toEqual([
    [1, 50],
    [0, 25],
    [2, 25],
  ]);
});

test("the sampled token need not be among the likeliest", () => {
  const { logprob, top } = logprobs(row(5, 0, 4), 1, 2);
  expect(top.map(({ token }) => token)).toEqual([0, 2]);
  expect(logprob).toBeLessThan(top[1]!.logprob);
});

test("no alternatives are listed when none are asked for", () => {
  expect(logprobs(row(1, 2), 0, 0).top).toEqual([]);
});

test("logits beyond the reach of exp are as exact as others", () => {
  expect(logprobs(row(1000, 999), 0, 0).logprob).toBeCloseTo(-Math.log(1 + Math.exp(-1)));
  expect(logprobs(row(-1000, -1001), 1, 0).logprob).toBeCloseTo(-1 - Math.log(1 + Math.exp(-1)));
});

test("a banned token has a log probability of minus infinity and takes nothing from the others", () => {
  const { logprob, top } = logprobs(row(0, Number.NEGATIVE_INFINITY, 0), 1, 1);
  expect(logprob).toBe(Number.NEGATIVE_INFINITY);
  expect(top[0]).toEqual({ token: 0, logprob: -Math.log(2) });
});

test("any row: the likeliest in order, equal ones by id, and probabilities that sum to one", () => {
  // Whole numbers, so that equal logits occur.
  const anyRow = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(anyRow, fc.nat(), fc.nat(70), (logits, pick, count) => {
      const token = pick % logits.length;
      const { logprob, top } = logprobs(Float32Array.from(logits), token, count);
      const sorted = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]! || a - b);
      expect(top.map(({ token }) => token)).toEqual(sorted.slice(0, count));
      const all = logprobs(Float32Array.from(logits), token, logits.length).top;
      expect(all.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1);
      expect(logprob).toBe(all.find((other) => other.token === token)!.logprob);
    }),
  );
});
