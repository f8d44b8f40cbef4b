/** Whatever arrives and however small the cache: nobody's tokens are lost, doubled or another's. What holds at each step is in simulation.ts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Limits } from "./scheduler.ts";
import type { Arrival } from "./sequence.ts";
import { alone, type GuessedRight, Machine } from "./simulation.ts";

const sequence = (key: number, length: number, maxTokens: number, group: number): Arrival => ({
  key,
  prompt: Array.from({ length }, (_, i) => 1 + key * 1000 + i),
  maxTokens,
  salt: String(group),
  group,
});

const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

const limits = fc
  .record({ slots: fc.integer({ min: 1, max: 5 }), cellsPerSequence: fc.integer({ min: 1, max: 80 }), spare: fc.nat(60) })
  .map(({ slots, cellsPerSequence, spare }) => ({
    slots,
    cellsPerSequence,
    cells: Math.min(cellsPerSequence + spare, slots * cellsPerSequence),
  }));

/** None, or right and wrong ones in turn. */
const drafts = fc.array(fc.record({ right: fc.nat(5), wrong: fc.nat(5) }), { maxLength: 4 });

/** Prompts that branch: a few beginnings, a few ways to go on, so that prefixes meet. */
const branching = fc
  .record({
    root: fc.nat(1),
    stem: fc.integer({ min: 0, max: 70 }),
    branch: fc.nat(2),
    leaf: fc.integer({ min: 1, max: 20 }),
    salt: fc.nat(5),
    group: fc.constantFrom(0, 0, 0, 1, 2),
  })
  .map(({ root, stem, branch, leaf, salt, group }) => ({
    prompt: [...range(1 + root * 100, stem), ...range(1000 + branch * 100, leaf)],
    salt: `${group} ${salt === 5 ? "other" : ""}`,
    group,
  }));

test("with shared prefixes, salts, groups, a store, aborts and small caches every sequence still ends with the tokens that it gives alone", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ arrival: branching, maxTokens: fc.nat(30) }) },
    { weight: 6, arbitrary: fc.constant("step" as const) },
    { weight: 1, arbitrary: fc.record({ abort: fc.nat(20) }) },
  );
  const setting = fc.record({
    slots: fc.integer({ min: 1, max: 4 }),
    room: fc.nat(300),
    storeTokens: fc.constantFrom(0, 60, 400),
    canCut: fc.boolean(),
    gather: fc.boolean(),
    budget: fc.integer({ min: 4, max: 64 }),
    guesses: drafts,
  });
  const seen = new Set<string>();
  const drafted = { right: 0, wrong: 0 };
  fc.assert(
    fc.property(
      setting,
      fc.array(step, { maxLength: 50, size: "max" }),
      ({ slots, room, storeTokens, canCut, gather, budget, guesses }, steps) => {
        // Whoever has a stream of his own has all of its cells.
        const cells = gather ? slots * 130 : Math.min(130 + room, slots * 130);
        const limits = { slots, cellsPerSequence: 130, cells, storeTokens, canCut, gather };
        const m = new Machine(limits, { fifo: false, guesses });
        const wanted = new Map<number, Arrival>();
        for (const step of steps) {
          if (step === "step") m.step(budget);
          else if ("abort" in step) {
            if (!m.outcomes.has(step.abort)) wanted.delete(step.abort);
            m.abort(step.abort);
          } else {
            const arrival = { key: wanted.size + 100 * m.outcomes.size + steps.indexOf(step), ...step.arrival, maxTokens: step.maxTokens };
            if (wanted.has(arrival.key) || m.outcomes.has(arrival.key)) continue;
            wanted.set(arrival.key, arrival);
            m.arrive(arrival);
          }
        }
        m.run(budget);
        for (const [key, arrival] of wanted) expect(m.outcomes.get(key)).toEqual(alone(arrival, limits));
        for (const { type } of m.actions) seen.add(type);
        drafted.right += m.accepted;
        drafted.wrong += m.drafted - m.accepted;
        if (!canCut) expect(m.drafted).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
  expect(seen).toEqual(new Set(["cut", "copy", "save", "restore", "drop"]));
  expect(Math.min(drafted.right, drafted.wrong)).toBeGreaterThan(1000);
});

const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("arrive" as const), length: fc.nat(200), maxTokens: fc.nat(100), group: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("abort" as const), key: fc.nat(20) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("step" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("full" as const) }) },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

describe("any arrivals, lengths, aborts, limits and budgets", () => {
  // What holds at each step is checked by the machine: see simulation.ts.
  const scenario = fc.tuple(
    limits,
    fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 50 })),
    fc.array(event, { maxLength: 60, size: "max" }),
    drafts,
  );

  function play(limits: Limits, budget: number, events: readonly Event[], guesses: readonly GuessedRight[]) {
    const machine = new Machine(limits, { guesses });
    const wanted = new Map<number, Arrival>();
    let key = 0;
    for (const event of events) {
      if (event.type === "arrive") {
        const arrival = sequence(
          key++,
          1 + (event.length % limits.cellsPerSequence),
          event.maxTokens > 80 ? Number.POSITIVE_INFINITY : event.maxTokens,
          event.group,
        );
        wanted.set(arrival.key, arrival);
        machine.arrive(arrival);
      } else if (event.type === "abort") {
        if (!machine.outcomes.has(event.key)) wanted.delete(event.key);
        machine.abort(event.key);
      } else machine.step(budget, event.type === "full");
    }
    machine.run(budget);
    return { machine, wanted };
  }

  test("every sequence ends with the tokens that it gives alone", () => {
    fc.assert(
      fc.property(scenario, ([limits, budget, events, guesses]) => {
        const { machine, wanted } = play(limits, budget, events, guesses);
        expect([...machine.outcomes.keys()].sort()).toEqual([...wanted.keys()].sort());
        for (const [key, arrival] of wanted) expect(machine.outcomes.get(key)).toEqual(alone(arrival, limits));
      }),
      { numRuns: 150 },
    );
  });

  test("the scenarios are worth their time: they preempt, and end in both ways", () => {
    const runs = fc.sample(scenario, { numRuns: 200, seed: 1 }).map((values) => play(...values).machine);
    expect(runs.filter(({ preemptions }) => preemptions > 0).length).toBeGreaterThan(10);
    const reasons = runs.flatMap(({ outcomes }) => [...outcomes.values()].map(({ reason }) => reason));
    expect(new Set(reasons)).toEqual(new Set(["stop", "length"]));
  });
});
