import fc from "fast-check";
import { expect, test } from "vitest";
import { quantileOf, Tally } from "./tally.ts";

test("a value counts in the first bucket that holds it, and above all bounds in the last", () => {
  const tally = new Tally([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 6]) tally.observe(value);
  expect(tally.snapshot()).toEqual({ bounds: [1, 2, 5], counts: [2, 2, 1, 1], sum: 15.5 });
});

test("a snapshot does not change any more", () => {
  const tally = new Tally([1]);
  const before = tally.snapshot();
  tally.observe(1);
  expect(before.counts).toEqual([0, 0]);
});

test("quantiles lie where Prometheus has them", () => {
  const counts = { bounds: [1, 2, 5], counts: [10, 10, 0, 0] };
  expect(quantileOf(counts, 0.5)).toBe(1);
  expect(quantileOf(counts, 0.25)).toBe(0.5);
  expect(quantileOf(counts, 0.75)).toBe(1.5);
  expect(quantileOf({ bounds: [1, 2], counts: [0, 0, 3] }, 0.95)).toBe(2);
  expect(quantileOf({ bounds: [1, 2], counts: [0, 0, 0] }, 0.5)).toBeUndefined();
});

test("the quantile of any values is in the bucket of the value of that rank", () => {
  const bounds = [1, 2, 4, 8, 16];
  const values = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, quantile) => {
      const tally = new Tally(bounds);
      for (const value of all) tally.observe(value);
      const ranked = [...all].sort((a, b) => a - b)[Math.ceil(quantile * all.length - 1e-9) - 1]!;
      const upper = bounds.findIndex((bound) => ranked <= bound);
      const found = quantileOf(tally, quantile)!;
      expect(found).toBeLessThanOrEqual(bounds[upper]!);
      expect(found).toBeGreaterThanOrEqual(upper === 0 ? 0 : bounds[upper - 1]!);
    }),
  );
});
