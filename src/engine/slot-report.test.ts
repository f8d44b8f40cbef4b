import { expect, test } from "vitest";
import { slotReport } from "./slot-report.ts";

test("an idle slot has its context only", () => {
  expect(slotReport([undefined], 64)).toEqual([{ id: 0, contextTokens: 64 }]);
});

test("of a prompt it tells what was cached and what was computed here, of the answer how many tokens there are", () => {
  const work = (computed: number, cached: number | undefined, generated: number) =>
    slotReport([{ promptLength: 10, computed, cached, generated }], 64)[0]!.work!;
  const told = (cachedTokens: number, computedTokens: number, generatedTokens: number) => ({
    promptTokens: 10,
    cachedTokens,
    computedTokens,
    generatedTokens,
  });
  expect(work(6, 4, 0)).toEqual(told(4, 2, 0));
  expect(work(14, 4, 5)).toEqual(told(4, 6, 5));
  expect(work(0, undefined, 0)).toEqual(told(0, 0, 0));
  // Sent back to the queue and begun anew: what was found in the cache at first is not computed yet.
  expect(work(0, 4, 3)).toEqual(told(4, 0, 3));
});
