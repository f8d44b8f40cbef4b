import { expect, test } from "vitest";
import { ThreadGovernor } from "./threads.ts";

/** A machine on which `free(nowMs)` cores are really to be had; a step of `work` CPU milliseconds takes what that allows. */
function simulate(most: number, free: (nowMs: number) => number, forMs: number): { governor: ThreadGovernor; history: number[] } {
  const governor = new ThreadGovernor(most);
  const history: number[] = [];
  let nowMs = 0;
  while (nowMs < forMs) {
    const { threads } = governor;
    const wallMs = 8;
    nowMs += wallMs;
    governor.observe({ wallMs, cpuMs: wallMs * Math.min(threads, free(nowMs)), nowMs });
    history.push(threads);
  }
  return { governor, history };
}

test("a quiet machine keeps all threads", () => {
  expect(new Set(simulate(8, () => 8, 5000).history)).toEqual(new Set([8]));
});

test("the little that the gateway needs takes no thread away", () => {
  expect(new Set(simulate(2, () => 1.8, 5000).history)).toEqual(new Set([2]));
});

test("another program on a core costs one thread within three windows", () => {
  const { history } = simulate(8, () => 7.4, 60);
  expect(history.at(-1)).toBe(7);
});

test("when every core is shared, one thread remains and trials become rare", () => {
  const { history } = simulate(2, () => 1, 20_000);
  const share = history.filter((threads) => threads === 1).length / history.length;
  expect(share).toBeGreaterThan(0.95);
});

test("the threads come back when the other program ends", () => {
  const { governor } = simulate(4, (nowMs) => (nowMs < 3000 ? 2 : 4), 14_000);
  expect(governor.threads).toBe(4);
});
