import { describe, expect, test } from "vitest";
import { IdleCores } from "./idle-cores.ts";
import { ThreadGovernor } from "./threads.ts";

interface Machine {
  readonly cores: number;
  /** Cores that other programs keep busy. */
  readonly others: (nowMs: number) => number;
  readonly knowsIdle: boolean;
}

/** Steps of 8 ms: our threads get what the others leave, and what neither uses is idle. */
function simulate(most: number, { cores, others, knowsIdle }: Machine, forMs: number): number[] {
  const governor = new ThreadGovernor(most);
  const history: number[] = [];
  for (let nowMs = 8, step = 0; nowMs < forMs; nowMs += 8, step++) {
    const { threads } = governor;
    const running = Math.min(threads, cores - others(nowMs) / (1 + others(nowMs) / cores));
    const idleCores = knowsIdle && step % 20 === 0 ? Math.max(0, cores - running - others(nowMs)) : undefined;
    governor.observe({ wallMs: 8, cpuMs: 8 * running, nowMs, idleCores });
    history.push(threads);
  }
  return history;
}

describe.each([true, false])("idle cores known: %s", (knowsIdle) => {
  test("a quiet machine keeps all threads", () => {
    expect(new Set(simulate(8, { cores: 8, others: () => 0, knowsIdle }, 5000))).toEqual(new Set([8]));
  });

  test("the little that the gateway needs takes no thread away", () => {
    expect(new Set(simulate(2, { cores: 2, others: () => 0.2, knowsIdle }, 5000))).toEqual(new Set([2]));
  });

  test("another program on a core costs a thread within three windows", () => {
    expect(simulate(8, { cores: 8, others: () => 0.7, knowsIdle }, 100).at(-1)).toBe(7);
  });

  test("when every core is shared, one thread remains", () => {
    const history = simulate(2, { cores: 2, others: () => 2, knowsIdle }, 60_000);
    expect(history.filter((threads) => threads === 1).length / history.length).toBeGreaterThan(0.98);
  });

  test("the threads come back when the others end", () => {
    const history = simulate(4, { cores: 4, others: (nowMs) => (nowMs < 3000 ? 3 : 0), knowsIdle }, 20_000);
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
