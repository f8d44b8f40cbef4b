import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Limits, type Plan, Scheduler } from "./scheduler.ts";
import type { Arrival } from "./sequence.ts";
import { alone, Machine } from "./simulation.ts";

const sequence = (key: number, length: number, maxTokens = Number.POSITIVE_INFINITY): Arrival => ({
  key,
  prompt: Array.from({ length }, (_, i) => 1 + key * 1000 + i),
  maxTokens,
});

const make = (limits: Partial<Limits>, ...arrivals: Arrival[]) => {
  const scheduler = new Scheduler({ slots: 4, cellsPerSequence: 100, cells: 400, ...limits });
  for (const arrival of arrivals) scheduler.arrive(arrival);
  return scheduler;
};

const shares = (plan: Plan) => plan.entries.map(({ sequence, slot, from, to, samples }) => [sequence.key, slot, from, to, samples]);
const apply = (scheduler: Scheduler, plan: Plan, ended: readonly number[] = []) =>
  scheduler.apply(
    plan,
    plan.entries.filter(({ samples }) => samples).map(({ sequence: { key } }) => ({ key, token: 9, ended: ended.includes(key) })),
  );

describe("a step", () => {
  test("computes a prompt in parts of the budget, and samples with the last", () => {
    const scheduler = make({}, sequence(0, 25));
    const seen = [1, 2, 3, 4].map(() => {
      const plan = scheduler.plan(10);
      apply(scheduler, plan);
      return shares(plan)[0];
    });
    expect(seen).toEqual([
      [0, 0, 0, 10, false],
      [0, 0, 10, 20, false],
      [0, 0, 20, 25, true],
      [0, 0, 25, 26, true],
    ]);
  });

  test("gives a token to each that decodes before the rest goes to a prompt", () => {
    const scheduler = make({}, sequence(0, 2), sequence(1, 2));
    apply(scheduler, scheduler.plan(10));
    scheduler.arrive(sequence(2, 50));
    expect(shares(scheduler.plan(10))).toEqual([
      [0, 0, 2, 3, true],
      [1, 1, 2, 3, true],
      [2, 2, 0, 8, false],
    ]);
  });

  test("takes the lowest free slot and lists the shares by slot", () => {
    const scheduler = make({}, sequence(0, 1), sequence(1, 1), sequence(2, 1));
    apply(scheduler, scheduler.plan(10), [0]);
    scheduler.arrive(sequence(3, 1));
    const plan = scheduler.plan(10);
    expect(plan.release).toEqual([0]);
    expect(shares(plan).map(([key, slot]) => [key, slot])).toEqual([
      [3, 0],
      [1, 1],
      [2, 2],
    ]);
  });

  test("admits in order of arrival, also when a later prompt would fit and the first does not", () => {
    const scheduler = make({ slots: 3, cells: 100 }, sequence(0, 60), sequence(1, 60), sequence(2, 1));
    expect(shares(scheduler.plan(200)).map(([key]) => key)).toEqual([0]);
    expect(scheduler.waiting).toBe(2);
  });

  test("of an empty scheduler computes nothing", () => {
    expect(make({}).plan(10)).toEqual({ release: [], entries: [] });
  });
});

describe("the end of a sequence", () => {
  test("comes with its token limit", () => {
    const scheduler = make({}, sequence(0, 3, 2));
    expect([1, 2].map(() => apply(scheduler, scheduler.plan(10)))).toEqual([[], [0]]);
    expect(scheduler.idle).toBe(true);
  });

  test("is no matter of length when the token at the limit ended the text", () => {
    const scheduler = make({}, sequence(0, 3, 1));
    expect(apply(scheduler, scheduler.plan(10), [0])).toEqual([]);
    expect(scheduler.idle).toBe(true);
  });

  test("comes after the prompt when no token was asked for, also of a prompt in parts", () => {
    const scheduler = make({}, sequence(0, 15, 0));
    expect([1, 2].map(() => apply(scheduler, scheduler.plan(10)))).toEqual([[], [0]]);
  });

  test("comes with the end of the context: a prompt that fills it still gives one token", () => {
    const scheduler = make({ cellsPerSequence: 20 }, sequence(0, 20), sequence(1, 19));
    expect([1, 2].map(() => apply(scheduler, scheduler.plan(50)))).toEqual([[0], [1]]);
  });

  test("by abort frees the slot, whether it ran or waited", () => {
    const scheduler = make({ slots: 1 }, sequence(0, 5), sequence(1, 5), sequence(2, 5));
    apply(scheduler, scheduler.plan(10));
    scheduler.abort(1);
    scheduler.abort(0);
    scheduler.abort(0);
    const plan = scheduler.plan(10);
    expect(plan.release).toEqual([0]);
    expect(shares(plan)).toEqual([[2, 0, 0, 5, true]]);
  });
});

describe("when the cells run out", () => {
  test("the youngest gives way, waits at the head of the queue and keeps what it has generated", () => {
    const scheduler = make({ slots: 3, cellsPerSequence: 40, cells: 40 }, sequence(0, 10), sequence(1, 10), sequence(2, 30));
    const steps = Array.from({ length: 12 }, () => {
      const plan = scheduler.plan(50);
      apply(scheduler, plan);
      return plan;
    });
    // 20 tokens after the first step, two more with each: the twelfth does not fit.
    expect(steps.at(-1)!.release).toEqual([1]);
    expect(shares(steps.at(-1)!)).toEqual([[0, 0, 20, 21, true]]);
    expect(scheduler.waiting).toBe(2);
    scheduler.abort(0);
    expect(shares(scheduler.plan(50))[0]).toEqual([1, 0, 0, 21, true]);
  });

  test("a prompt in parts takes only what is left", () => {
    const scheduler = make({ slots: 2, cellsPerSequence: 60, cells: 60 }, sequence(0, 10));
    apply(scheduler, scheduler.plan(2 + 10));
    scheduler.arrive(sequence(1, 33));
    // Admitted with 10 + 1 + 33 + 16 = 60 cells in sight; by and by the other one takes more than its 16.
    for (let step = 0; step < 20; step++) apply(scheduler, scheduler.plan(2));
    const plan = scheduler.plan(50);
    expect(shares(plan)).toEqual([
      [0, 0, 30, 31, true],
      [1, 1, 20, 29, false],
    ]);
  });

  test("nobody is admitted who would soon have to give way: sixteen cells stay free for each that runs", () => {
    const admitted = (length: number) => {
      const scheduler = make({ slots: 2, cellsPerSequence: 60, cells: 60 }, sequence(0, 10));
      apply(scheduler, scheduler.plan(50));
      scheduler.arrive(sequence(1, length));
      return scheduler.plan(50).entries.length === 2;
    };
    expect([33, 34].map(admitted)).toEqual([true, false]);
  });

  test("the last one that runs cannot give way", () => {
    const scheduler = make({}, sequence(0, 10));
    apply(scheduler, scheduler.plan(10));
    expect(scheduler.preempt()).toBe(false);
  });
});

test("what could never be computed is refused", () => {
  expect(() => make({ cellsPerSequence: 11, cells: 10 })).toThrow();
  expect(() => make({}, sequence(0, 101))).toThrow();
  expect(() => make({}, sequence(0, 0))).toThrow();
  expect([make({}).fits(100), make({}).fits(101)]).toEqual([true, false]);
});

const limits = fc
  .record({ slots: fc.integer({ min: 1, max: 5 }), cellsPerSequence: fc.integer({ min: 1, max: 80 }), spare: fc.nat(60) })
  .map(({ slots, cellsPerSequence, spare }) => ({
    slots,
    cellsPerSequence,
    cells: Math.min(cellsPerSequence + spare, slots * cellsPerSequence),
  }));

const event = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("arrive" as const), length: fc.nat(200), maxTokens: fc.nat(100) }) },
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
  );

  function play(limits: Limits, budget: number, events: readonly Event[]) {
    const machine = new Machine(limits);
    const wanted = new Map<number, Arrival>();
    let key = 0;
    for (const event of events) {
      if (event.type === "arrive") {
        const arrival = sequence(
          key++,
          1 + (event.length % limits.cellsPerSequence),
          event.maxTokens > 80 ? Number.POSITIVE_INFINITY : event.maxTokens,
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
      fc.property(scenario, ([limits, budget, events]) => {
        const { machine, wanted } = play(limits, budget, events);
        expect([...machine.outcomes.keys()].sort()).toEqual([...wanted.keys()].sort());
        for (const [key, arrival] of wanted) expect(machine.outcomes.get(key)).toEqual(alone(arrival, limits));
      }),
      { numRuns: 150 },
    );
  });

  test("the scenarios are worth their time: they preempt, and end in both ways", () => {
    const runs = fc.sample(scenario, { numRuns: 100, seed: 1 }).map((values) => play(...values).machine);
    expect(runs.filter(({ preemptions }) => preemptions > 0).length).toBeGreaterThan(10);
    const reasons = runs.flatMap(({ outcomes }) => [...outcomes.values()].map(({ reason }) => reason));
    expect(new Set(reasons)).toEqual(new Set(["stop", "length"]));
  });
});
