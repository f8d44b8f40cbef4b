import { describe, expect, test } from "vitest";
import { IdleCores } from "./idle-cores.ts";
import { StepCost } from "./step-cost.ts";
import { ThreadGovernor } from "./threads.ts";

interface Machine {
  readonly cores: number;
  /** Programs that always want a core each. */
  readonly busy: (nowMs: number) => number;
  /** The share of a core that the gateway takes in short pieces. */
  readonly gateway?: number;
  readonly knowsIdle: boolean;
}

/**
 * Steps of 16 thread-milliseconds. Threads that must share a core with a busy program wait for its slice at every barrier; the
 * gateway's short pieces only take their time.
 */
function simulate(most: number, { cores, busy, gateway = 0, knowsIdle }: Machine, forMs: number): number[] {
  const governor = new ThreadGovernor(most);
  const history: number[] = [];
  let idleAt = 0;
  for (let nowMs = 0; nowMs < forMs; ) {
    const { threads } = governor;
    const others = busy(nowMs);
    const crowded = Math.max(0, threads + others - cores);
    const undisturbed = 16 / threads / (1 - gateway / threads);
    const wallMs = crowded > 0 && threads > 1 ? 50 * undisturbed : undisturbed * (1 + crowded);
    const running = threads - Math.min(threads, crowded) / 2 - gateway;
    nowMs += wallMs;
    const measured = knowsIdle && nowMs - idleAt >= 150;
    if (measured) idleAt = nowMs;
    const idleCores = measured ? Math.max(0, cores - others - threads - gateway) : undefined;
    governor.observe({ tokens: 1, wallMs, cpuMs: wallMs * running, nowMs, idleCores });
    history.push(threads);
  }
  return history;
}

describe.each([true, false])("idle cores known: %s", (knowsIdle) => {
  test("a quiet machine keeps all threads", () => {
    expect(new Set(simulate(8, { cores: 8, busy: () => 0, knowsIdle }, 5000))).toEqual(new Set([8]));
  });

  test("what the gateway needs takes no thread away", () => {
    const history = simulate(2, { cores: 2, busy: (nowMs) => (nowMs < 100 ? 0 : 0), gateway: 0.25, knowsIdle }, 5000);
    expect(new Set(history)).toEqual(new Set([2]));
  });

  test("a busy gateway on two cores is no reason to halve them, once the cost of a step is known", () => {
    const governor = new ThreadGovernor(2);
    governor.observe({ tokens: 8, wallMs: 24, cpuMs: 47, nowMs: 24 });
    for (let nowMs = 60; nowMs < 10_000; nowMs += 36) governor.observe({ tokens: 8, wallMs: 36, cpuMs: 52, nowMs, idleCores: 0 });
    expect(governor.threads).toBe(2);
  });

  test("a busy program on one of eight cores costs one thread at the next judgement", () => {
    const history = simulate(8, { cores: 8, busy: (nowMs) => (nowMs < 1000 ? 0 : 1), knowsIdle }, 1600);
    expect(history.at(-1)).toBe(7);
  });

  test("when every core is shared, one thread remains", () => {
    const history = simulate(2, { cores: 2, busy: () => 2, knowsIdle }, 60_000);
    expect(history.filter((threads) => threads === 1).length / history.length).toBeGreaterThan(0.98);
  });

  test("the threads come back when the others end", () => {
    const history = simulate(4, { cores: 4, busy: (nowMs) => (nowMs < 3000 ? 3 : 0), knowsIdle }, 30_000);
    expect(Math.min(...history)).toBeLessThan(3);
    expect(history.at(-1)).toBe(4);
  });
});

test("after a pause the threads are as many as cores stood idle", () => {
  const governor = new ThreadGovernor(4);
  governor.resume(1.9);
  expect(governor.threads).toBe(2);
  governor.resume(0.1);
  expect(governor.threads).toBe(1);
  governor.resume(undefined);
  expect(governor.threads).toBe(1);
});

test("the cost of a size never seen is bounded by that of the next smaller one", () => {
  const cost = new StepCost();
  expect(cost.expected(1)).toBeUndefined();
  cost.learn(1, 12);
  cost.learn(8, 50);
  expect(cost.expected(1)).toBe(12);
  expect(cost.expected(4)).toBe(48);
  expect(cost.expected(16)).toBe(100);
  cost.learn(8, 40);
  expect(cost.expected(8)).toBe(40);
});

test("idle cores are those of the allowed CPUs, over the time since the last answer", () => {
  let idle = 1000;
  const stat = () => `cpu  9 9 9 9999 9\ncpu0 1 2 3 ${idle} 0 0\ncpu1 1 2 3 500 0 0\ncpu2 1 2 3 ${idle * 7} 0 0\n`;
  const cores = new IdleCores(0, stat, "0-1");
  idle += 15; // 150 ms
  expect(cores.sample(100)).toBeUndefined();
  expect(cores.sample(200)).toBeCloseTo(0.75);
  expect(cores.sample(400)).toBe(0);
  expect(new IdleCores(0, () => undefined, "0").sample(1000)).toBeUndefined();
});
