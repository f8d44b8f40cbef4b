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

  test("shares the rest among prompts: a quarter to the oldest, then the shortest, and what is left to the others", () => {
    const scheduler = make({ cellsPerSequence: 1000, cells: 4000 }, sequence(0, 900));
    apply(scheduler, scheduler.plan(40));
    scheduler.arrive(sequence(1, 300));
    scheduler.arrive(sequence(2, 20));
    expect(shares(scheduler.plan(40))).toEqual([
      [0, 0, 40, 50, false],
      [1, 1, 0, 10, false],
      [2, 2, 0, 20, true],
    ]);
  });

  test("computes all of a prompt whose logits are wanted, whatever is cached, in parts of the rows, which answers need not keep to", () => {
    const scheduler = make({ rows: 6 }, sequence(0, 20));
    apply(scheduler, scheduler.plan(100), [0]);
    const scored = { ...sequence(0, 20), key: 1, allLogits: true };
    for (const key of [1, 2]) scheduler.arrive({ ...scored, key });
    const steps = Array.from({ length: 8 }, () => {
      const plan = scheduler.plan(100);
      apply(scheduler, plan);
      return plan.entries.map(({ sequence: { key, cached }, from, to, samples }) => ({ key, cached, from, to, samples }));
    });
    for (const step of steps)
      expect(step.filter(({ to }) => to <= 20).reduce((n, { from, to }) => n + to - from, 0)).toBeLessThanOrEqual(6);
    for (const key of [1, 2]) {
      const parts = steps.flat().filter((part) => part.key === key);
      expect([parts[0]!.from, parts[0]!.cached]).toEqual([0, 0]);
      for (const [i, { from }] of parts.entries()) if (i > 0) expect(from).toBe(parts[i - 1]!.to);
    }
    expect(steps.at(-1)!.filter(({ to }) => to > 20)).toHaveLength(2);
  });

  test("takes the lowest free slot and lists the shares by slot", () => {
    const scheduler = make({}, sequence(0, 1), sequence(1, 1), sequence(2, 1));
    apply(scheduler, scheduler.plan(10), [0]);
    scheduler.arrive(sequence(3, 1));
    // Slot 3 was never used: the least loss.
    expect(shares(scheduler.plan(10)).map(([key, slot]) => [key, slot])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  test("admits in order of arrival, also when a later prompt would fit and the first does not", () => {
    const scheduler = make({ slots: 3, cells: 100 }, sequence(0, 60), sequence(1, 60), sequence(2, 1));
    expect(shares(scheduler.plan(200)).map(([key]) => key)).toEqual([0]);
    expect(scheduler.waiting).toBe(2);
  });

  test("of an empty scheduler computes nothing", () => {
    expect(make({}).plan(10)).toMatchObject({ actions: [], entries: [] });
  });
});

describe("drafts", () => {
  /** One step of a sequence that decodes, and what the next one begins with. */
  function drafted(limits: Partial<Limits>, { maxTokens = 50, budget = 20, draft = [9, 8, 7], tokens = [9] } = {}) {
    const scheduler = make(limits, sequence(0, 10, maxTokens));
    apply(scheduler, scheduler.plan(10));
    const plan = scheduler.plan(budget, () => draft);
    const full = scheduler.apply(
      plan,
      tokens.map((token) => ({ key: 0, token, ended: false })),
    );
    return { plan, full, next: scheduler.plan(20) };
  }

  test("are computed behind the token that decodes; those that were right need not be computed again, the others are cut", () => {
    const { plan, next } = drafted({}, { tokens: [9, 8, 5] });
    expect(plan.entries.map(({ from, to, draft }) => [from, to, draft])).toEqual([[10, 11, [9, 8, 7]]]);
    expect(next.actions).toEqual([{ type: "cut", slot: 0, from: 13 }]);
    expect(next.entries.map(({ sequence, from, to }) => [sequence.tokens.slice(10), from, to])).toEqual([[[9, 9, 8, 5], 13, 14]]);
  });

  test("that were all right leave nothing to cut", () => {
    const { next } = drafted({}, { tokens: [9, 8, 7, 3] });
    expect(next.actions).toEqual([]);
    expect(shares(next)).toEqual([[0, 0, 14, 15, true]]);
  });

  test("are no longer than budget, token limit, context and cells allow", () => {
    const length = (limits: Partial<Limits>, options: { maxTokens?: number; budget?: number }) =>
      drafted(limits, options).plan.entries[0]!.draft.length;
    expect(length({}, { budget: 3 })).toBe(2);
    expect(length({}, { maxTokens: 4 })).toBe(2);
    expect(length({}, { maxTokens: 2 })).toBe(0);
    expect(length({ cellsPerSequence: 13 }, {})).toBe(2);
    expect(length({ cellsPerSequence: 11 }, {})).toBe(0);
  });

  test("end with the token limit like any other token", () => {
    expect(drafted({}, { maxTokens: 4, tokens: [9, 8, 7] })).toMatchObject({ full: [0], next: { entries: [] } });
  });

  test("are not made beside a prompt, nor for a model that cannot cut", () => {
    expect(drafted({ canCut: false }).plan.entries[0]!.draft).toEqual([]);
    const scheduler = make({}, sequence(0, 10));
    apply(scheduler, scheduler.plan(10));
    scheduler.arrive(sequence(1, 5));
    expect(scheduler.plan(50, () => [1]).entries.map(({ draft }) => draft)).toEqual([[], []]);
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
    expect(plan.actions).toEqual([{ type: "cut", slot: 0, from: 0 }]);
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
    expect(steps.at(-1)!.actions).toEqual([{ type: "cut", slot: 1, from: 0 }]);
    expect(shares(steps.at(-1)!)).toEqual([[0, 0, 20, 21, true]]);
    expect(scheduler.waiting).toBe(2);
    scheduler.abort(0);
    expect(shares(scheduler.plan(50))[0]).toEqual([1, 1, 0, 21, true]);
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

/** A conversation: turns that repeat what was said and add to it. */
const talk = (key: number, tokens: number[], salt = ""): Arrival => ({ key, prompt: tokens, maxTokens: 2, salt });
const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

function machine(limits: Partial<Limits>): Machine {
  return new Machine({ slots: 2, cellsPerSequence: 400, cells: 800, storeTokens: 1000, ...limits }, { fifo: false });
}

function ask(machine: Machine, arrival: Arrival): number {
  const before = machine.computed;
  machine.arrive(arrival);
  machine.run(1000);
  expect(machine.outcomes.get(arrival.key)).toEqual(alone(arrival, { slots: 2, cellsPerSequence: 400, cells: 800 }));
  return machine.computed - before;
}

describe("a prefix that is in the cache is not computed again", () => {
  test("by the next turn of a conversation, which goes on in its slot", () => {
    const m = machine({});
    expect(ask(m, talk(0, range(1, 100)))).toBe(101);
    expect(ask(m, talk(1, [...range(1, 100), ...range(500, 20)]))).toBe(21);
    expect(m.actions).toEqual([{ type: "cut", slot: 0, from: 100 }]);
  });

  test("by another conversation with the same beginning, which copies it and leaves the first one whole", () => {
    const m = machine({});
    ask(m, talk(0, range(1, 300)));
    expect(ask(m, talk(1, [...range(1, 100), ...range(900, 10)]))).toBe(11);
    expect(m.actions).toEqual([{ type: "copy", source: 0, slot: 1, keep: 100 }]);
    expect(ask(m, talk(2, range(1, 310)))).toBe(11);
  });

  test("of a sequence that is still decoding", () => {
    const m = machine({});
    m.arrive({ ...talk(0, range(1, 100)), maxTokens: 50 });
    m.step(1000);
    expect(ask(m, talk(1, [...range(1, 90), 7]))).toBeLessThan(60);
  });

  test("of those that arrive together: one computes it, the others wait for him", () => {
    const m = machine({ slots: 8, cells: 8 * 400 });
    for (let key = 0; key < 8; key++) m.arrive(talk(key, [...range(1, 200), 900 + key]));
    m.run(256);
    // Once the prefix, then each its own token and the first of its answer.
    expect(m.computed).toBe(200 + 8 * 2);
  });

  test("when its slot was needed: it comes back from the store, the least valuable having left", () => {
    const m = machine({ slots: 1, cells: 400, storeTokens: 250 });
    for (const key of [0, 1, 2]) ask(m, talk(key, range(1 + 1000 * key, 100)));
    expect(ask(m, talk(3, range(1001, 110)))).toBe(11);
    expect(ask(m, talk(4, range(1, 110)))).toBeGreaterThan(11);
    expect(m.actions.filter(({ type }) => type === "restore")).toHaveLength(1);
  });

  test("of a model that cannot cut only when it is the whole of what was computed", () => {
    const m = machine({ canCut: false });
    ask(m, { ...talk(0, range(1, 100)), maxTokens: 1 });
    expect(ask(m, { ...talk(1, range(1, 120)), maxTokens: 1 })).toBe(20);
    expect(ask(m, { ...talk(2, [...range(1, 90), 7]), maxTokens: 1 })).toBe(91);
  });

  test("is never that of another salt", () => {
    const m = machine({});
    ask(m, talk(0, range(1, 100), "a"));
    expect(ask(m, talk(1, range(1, 100), "b"))).toBe(101);
    expect(ask(m, talk(2, range(1, 100), "a"))).toBe(2);
  });

  test("and where neighbours are cheaper, those who run gather while the others keep their conversations", () => {
    const m = machine({ slots: 8, cells: 8 * 400, gather: true });
    for (let key = 0; key < 6; key++) ask(m, talk(key, range(1 + 1000 * key, 100)));
    for (const key of [0, 2, 4]) m.arrive({ ...talk(10 + key, range(1 + 1000 * key, 110)), maxTokens: 5 });
    const { entries } = m.step(1000);
    expect(entries.map(({ slot, from, to }) => [slot, to - from])).toEqual([
      [0, 10],
      [1, 10],
      [2, 10],
    ]);
    m.run(1000);
    for (const key of [1, 3, 5]) expect(ask(m, talk(20 + key, range(1 + 1000 * key, 110)))).toBe(11);
    expect(m.actions.some(({ type }) => type === "restore")).toBe(false);
  });

  test("is told as cached once, of the prompt alone", () => {
    const scheduler = make({});
    scheduler.arrive(talk(0, range(1, 50)));
    apply(scheduler, scheduler.plan(100), [0]);
    scheduler.arrive(talk(1, range(1, 60)));
    expect(scheduler.plan(100).entries[0]!.sequence.cached).toBe(50);
  });

  test("what the engine lost is computed after all", () => {
    const scheduler = make({ cellsPerSequence: 200, cells: 800 });
    scheduler.arrive({ ...talk(0, range(1, 150)), maxTokens: 1 });
    apply(scheduler, scheduler.plan(500));
    scheduler.arrive(talk(1, [...range(1, 60), 7]));
    const plan = scheduler.plan(500);
    const copy = plan.actions.find(({ type }) => type === "copy")!;
    scheduler.lost(copy);
    expect(shares(scheduler.plan(500))).toEqual([[1, 1, 0, 61, true]]);
  });
});
