/** Groups take turns: one a step, equal time, nobody waits for long, and a single group notices nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GroupTurns, QUANTUM } from "./groups.ts";
import { Scheduler } from "./scheduler.ts";
import type { Arrival } from "./sequence.ts";
import { alone, costOf, Machine } from "./simulation.ts";

const running = (...groups: number[]) => groups.map((group) => ({ group }));

/** So many steps of the given costs. @returns how long each group was served. */
function serve(turns: GroupTurns, groups: readonly number[], cost: (group: number) => number, steps: number): Map<number, number> {
  const served = new Map<number, number>();
  for (let step = 0; step < steps; step++) {
    const group = turns.next(running(...groups));
    turns.spend(cost(group));
    served.set(group, (served.get(group) ?? 0) + cost(group));
  }
  return served;
}

describe("turns", () => {
  test("one group has every step", () => {
    expect(serve(new GroupTurns(), [3, 3], () => 10, 100)).toEqual(new Map([[3, 1000]]));
  });

  test("time is equal, however many sequences a group has and whatever its steps take", () => {
    const served = serve(new GroupTurns(), [0, 0, 0, 0, 7, 9], (group) => 1 + 10 * group, 1000);
    const times = [0, 7, 9].map((group) => served.get(group)!);
    expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(QUANTUM + 91);
  });

  test("groups do not change with every step: each stays for a quantum", () => {
    const turns = new GroupTurns();
    const order = Array.from({ length: 100 }, () => {
      const group = turns.next(running(0, 1));
      turns.spend(5);
      return group;
    });
    const changes = order.filter((group, i) => i > 0 && group !== order[i - 1]).length;
    expect(changes).toBeGreaterThan(100 / ((2 * QUANTUM) / 5) - 2);
    expect(changes).toBeLessThanOrEqual(100 / (QUANTUM / 5));
  });

  test("who was away has saved nothing up", () => {
    const turns = new GroupTurns();
    serve(turns, [0, 1], () => 5, 10);
    serve(turns, [0], () => 5, 1000);
    const served = serve(turns, [0, 1], () => 5, 40);
    expect(served.get(0)).toBeGreaterThanOrEqual(100 - QUANTUM);
  });

  test("property: with any comings, goings and costs nobody who is there waits longer than two quanta and two steps of each other group", () => {
    const step = fc.record({
      present: fc.uniqueArray(fc.nat(4), { minLength: 1 }),
      cost: fc.integer({ min: 1, max: 120 }),
      repeat: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const turns = new GroupTurns();
        const dearest = Math.max(...steps.map(({ cost }) => cost));
        const waited = new Map<number, number>();
        for (const { present, cost, repeat } of steps) {
          for (const group of waited.keys()) if (!present.includes(group)) waited.delete(group);
          for (let i = 0; i < repeat; i++) {
            const turn = turns.next(running(...present));
            expect(present).toContain(turn);
            turns.spend(cost);
            for (const group of present) waited.set(group, group === turn ? 0 : (waited.get(group) ?? 0) + cost);
            for (const time of waited.values()) expect(time).toBeLessThanOrEqual(4 * (2 * QUANTUM + 2 * dearest));
          }
        }
      }),
    );
  });
});

describe("in the scheduler", () => {
  const arrival = (key: number, group: number, length = 8, maxTokens = 40): Arrival => ({
    key,
    prompt: Array.from({ length }, (_, i) => 1 + i),
    maxTokens,
    salt: String(group),
    group,
  });
  const limits = { slots: 6, cellsPerSequence: 120, cells: 720 };

  test("the same prompt in three groups at once gives what it gives alone, and shares cells within its group only", () => {
    const machine = new Machine(limits);
    const arrivals = [0, 1, 2, 0, 1, 2].map((group, key) => arrival(key, group, 40));
    for (const each of arrivals) machine.arrive(each);
    machine.run(16);
    for (const each of arrivals) expect(machine.outcomes.get(each.key)).toEqual(alone(each, limits));
  });

  test("a long prompt of one group does not stop those of another who are read from", () => {
    const large = { slots: 4, cellsPerSequence: 3000, cells: 12_000 };
    const machine = new Machine(large);
    // One whose answer is long.
    const reader = Array.from({ length: 1000 }, (_, i) => arrival(0, 0, 8 + i, 300)).find(
      (each) => alone(each, large).tokens.length >= 200,
    )!;
    machine.arrive(reader);
    machine.run(2000, () => machine.scheduler.decoding === 0);
    machine.arrive(arrival(1, 1, 2500, 4));
    let [time, longest] = [0, 0];
    while (!machine.outcomes.has(0)) {
      const plan = machine.step(16);
      time = plan.group === 0 ? 0 : time + costOf(plan);
      longest = Math.max(longest, time);
    }
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThanOrEqual(2 * QUANTUM + 2 * 21);
    machine.run(16);
    expect(machine.outcomes.has(1)).toBe(true);
  });

  test("slots go by arrival, whatever the group: many of one group do not keep another out", () => {
    const scheduler = new Scheduler({ ...limits, slots: 2 });
    for (const key of [0, 1, 2]) scheduler.arrive({ ...arrival(key, 0), tenant: "many" });
    scheduler.arrive({ ...arrival(3, 1), tenant: "few" });
    scheduler.plan(64);
    expect(scheduler.running).toBe(2);
    // Both groups have a slot now, so the other one's turn comes.
    const groups = Array.from({ length: 20 }, () => {
      const plan = scheduler.plan(64);
      const sampled = plan.entries.filter(({ samples }) => samples).map(({ sequence }) => ({ key: sequence.key, token: 1, ended: false }));
      scheduler.apply(plan, sampled, 10);
      return plan.group;
    });
    expect(new Set(groups)).toEqual(new Set([0, 1]));
  });
});
