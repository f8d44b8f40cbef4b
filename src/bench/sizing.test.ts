import fc from "fast-check";
import { expect, test } from "vitest";
import type { Pace } from "./probe.ts";
import { planFor } from "./sizing.ts";
import { workloadsNamed } from "./workloads/list.ts";

const all = workloadsNamed("all");
const FAST: Pace = { promptWords: 1e5, alone: 5000, four: 9000, tokensAWord: 1.2 };
const SLOW: Pace = { promptWords: 5, alone: 0.5, four: 0.5, tokensAWord: 1.2 };
const asked = { workloads: all, rounds: 3 };

test("a fast server has the whole work, a slow one the smallest, and the time that takes is said as it is", () => {
  expect(planFor(asked, [FAST], undefined)).toMatchObject({ sizing: { share: 1 }, fits: true });
  const slow = planFor(asked, [SLOW], undefined);
  expect(slow).toMatchObject({ sizing: { share: 0.08 }, fits: false });
  expect(slow.seconds).toBeGreaterThan((3 * slow.work.tokens) / SLOW.alone);
});

test("a slower server never gets more work, and what fits takes no longer than it may", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 1e4, noNaN: true }), fc.double({ min: 1, max: 10, noNaN: true }), (speed, times) => {
      const pace = (factor: number): Pace => ({
        promptWords: 20 * speed * factor,
        alone: speed * factor,
        four: 2 * speed * factor,
        tokensAWord: 1.2,
      });
      const [fast, slow] = [planFor(asked, [pace(times)], undefined), planFor(asked, [pace(1)], undefined)];
      expect(slow.work.tokens).toBeLessThanOrEqual(fast.work.tokens);
      for (const plan of [fast, slow]) expect(plan.fits).toBe(plan.seconds <= 60);
    }),
  );
});

test("two servers have as long as two, and the work is counted once", () => {
  const one = planFor(asked, [FAST], undefined);
  const two = planFor(asked, [FAST, FAST], undefined);
  expect([two.seconds, two.work]).toEqual([2 * one.seconds, one.work]);
});

test("clients change where they are free, and named lengths stay at any share", () => {
  const { cases, sizing, work } = planFor(
    { workloads: workloadsNamed("decode,shared"), clients: [2], tokens: 5, rounds: 1 },
    [SLOW],
    undefined,
  );
  expect(cases.map(({ workload, clients }) => [workload.name, clients])).toEqual([
    ["decode", 2],
    ["shared", 8],
  ]);
  expect([sizing.share, work.tokens]).toEqual([0.08, 2 * 5 + 8 * 5]);
});

test("no request of any workload is longer than the context", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 512, max: 8192 }),
      fc.double({ min: 1, max: 3, noNaN: true }),
      fc.option(fc.nat(5000), { nil: undefined }),
      (context, tokensAWord, tokens) => {
        const { sizing } = planFor({ ...asked, tokens }, [{ ...FAST, tokensAWord }], context);
        expect(sizing.longestPrompt! * tokensAWord + sizing.longestAnswer!).toBeLessThanOrEqual(0.75 * context);
        const turns = workloadsNamed("turns")[0]!.work({ ...sizing, share: 1 / 12 }, 6); // one conversation
        expect(turns.promptWords * tokensAWord + turns.tokens).toBeLessThanOrEqual(0.8 * context + 4 * tokensAWord);
      },
    ),
  );
});
