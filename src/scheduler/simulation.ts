/**
 * A machine for the scheduler's tests: KV cells that remember what was computed, and a "model" whose next token depends on
 * every token in them. A plan that skips, repeats or mixes up tokens is refused at once, or changes the text.
 */
import { expect } from "vitest";
import type { CellAction } from "./cells.ts";
import type { Propose } from "./draft.ts";
import { type Limits, type Plan, type Sampled, Scheduler } from "./scheduler.ts";
import type { Arrival, Sequence } from "./sequence.ts";

export interface Outcome {
  /** Generated tokens. */
  readonly tokens: readonly number[];
  readonly reason: "stop" | "length";
}

/** A hash of all tokens, so that one that is missing or wrong shows in everything after it. Divisible by 40: the end. */
function nextToken(tokens: readonly number[], group: number): number {
  return tokens.reduce((hash, token) => (Math.imul(Math.imul(hash, 31) ^ token, 16_777_619) >>> 0) % 1_000_003, 7 + group);
}

const isEnd = (token: number) => token % 40 === 0;

/** What the sequence must give, computed without any scheduler. */
export function alone({ prompt, maxTokens, group = 0 }: Arrival, { cellsPerSequence }: Limits): Outcome {
  const tokens = [...prompt];
  const generated = () => tokens.slice(prompt.length);
  while (tokens.length - prompt.length < maxTokens) {
    tokens.push(nextToken(tokens, group));
    if (isEnd(tokens.at(-1)!)) return { tokens: generated(), reason: "stop" };
    if (tokens.length > cellsPerSequence) break;
  }
  return { tokens: generated(), reason: "length" };
}

/** Tokens in cells, and for whom they were computed. */
interface Cells {
  tokens: number[];
  salt: string;
}

/** How a guess at the next tokens turns out: so many are right, so many behind them are not. */
export interface GuessedRight {
  readonly right: number;
  readonly wrong: number;
}

export interface MachineOptions {
  /** Whether nobody may overtake: not so where some wait for a prefix that others compute. */
  readonly fifo?: boolean;
  /** In turn for each draft that is asked for; absent: nobody asks. */
  readonly guesses?: readonly GuessedRight[];
}

export class Machine {
  readonly scheduler: Scheduler;
  readonly outcomes = new Map<number, Outcome>();
  preemptions = 0;
  /** Tokens computed in all, without drafts; those of drafts, and how many were right. */
  computed = 0;
  drafted = 0;
  accepted = 0;
  readonly actions: CellAction[] = [];
  readonly #limits: Limits;
  readonly #fifo: boolean;
  readonly #propose: Propose | undefined;
  /** By slot. */
  readonly #cells: Cells[];
  readonly #store = new Map<number, Cells>();
  /** Who computes in each slot. */
  readonly #owners = new Map<number, number>();
  /** Everything that is neither ended nor aborted, in order of arrival. */
  readonly #live = new Map<number, { arrival: Arrival; generated: number[] }>();

  constructor(limits: Limits, { fifo = true, guesses = [] }: MachineOptions = {}) {
    this.#limits = limits;
    this.#fifo = fifo;
    this.#propose = guesses.length > 0 ? drafter(guesses) : undefined;
    this.scheduler = new Scheduler(limits);
    this.#cells = Array.from({ length: limits.slots }, () => ({ tokens: [], salt: "" }));
  }

  arrive(arrival: Arrival): void {
    this.scheduler.arrive(arrival);
    this.#live.set(arrival.key, { arrival, generated: [] });
  }

  abort(key: number): void {
    this.scheduler.abort(key);
    this.#forget(key);
  }

  /** `full`: the machine says that no cells are left, as libllama may although the scheduler counted. */
  step(budget: number, full = false): Plan {
    // Of a decoding sequence the cells of refused drafts are still there.
    const decoding = [...this.#owners].filter(([slot, key]) => this.#tokens(key).length - this.#cells[slot]!.tokens.length <= 1);
    const plan = this.scheduler.plan(budget, this.#propose);
    for (const action of plan.actions) this.#do(action);
    this.#check(plan, budget, decoding);
    if (full && this.scheduler.running > 1) {
      // The machine refuses before it computes.
      for (const { sequence, slot } of plan.entries) if (this.#cells[slot]!.tokens.length > 0) this.#owners.set(slot, sequence.key);
      expect(this.scheduler.preempt()).toBe(true);
      return plan;
    }
    const sampled = this.#compute(plan);
    this.#checkRoom();
    const ended = this.scheduler.apply(plan, sampled, costOf(plan));
    for (const { key, ended } of sampled) if (ended) this.#end(key, "stop");
    for (const key of ended) this.#end(key, "length");
    return plan;
  }

  /** Until all have ended, or as long as it is said. */
  run(budget: number, goesOn = () => true): void {
    for (let steps = 0; !this.scheduler.idle && goesOn(); steps++) {
      expect(steps).toBeLessThan(5000);
      this.step(budget);
    }
  }

  #do(action: CellAction): void {
    this.actions.push(action);
    if (action.type === "drop") return void expect(this.#store.delete(action.entry)).toBe(true);
    const cells = this.#cells[action.slot]!;
    if (action.type === "save") {
      expect(this.#store.has(action.entry)).toBe(false);
      this.#store.set(action.entry, { tokens: [...cells.tokens], salt: cells.salt });
      const stored = [...this.#store.values()].reduce((sum, { tokens }) => sum + tokens.length, 0);
      expect(stored).toBeLessThanOrEqual(this.#limits.storeTokens ?? 0);
      return;
    }
    const draftOnly = action.type === "cut" && action.from > 0;
    // Of an ended sequence the owner is gone already.
    if (!draftOnly && this.#owners.delete(action.slot)) this.preemptions++;
    if (action.type === "cut") {
      expect(action.from).toBeLessThan(cells.tokens.length);
      if (this.#limits.canCut === false) expect(action.from).toBe(0);
      cells.tokens.length = action.from;
      return;
    }
    expect(cells.tokens).toEqual([]); // a copy goes into an empty slot
    const source = action.type === "copy" ? this.#cells[action.source]! : this.#store.get(action.entry)!;
    expect(action.keep).toBeLessThanOrEqual(source.tokens.length);
    if (this.#limits.canCut === false) expect(action.keep).toBe(source.tokens.length);
    this.#cells[action.slot] = { tokens: source.tokens.slice(0, action.keep), salt: source.salt };
  }

  #check(plan: Plan, budget: number, decoding: ReadonlyArray<[slot: number, key: number]>): void {
    expect(this.scheduler.idle || plan.entries.length > 0).toBe(true); // or the engine would turn for ever
    expect(plan.entries.reduce((sum, { from, to, draft }) => sum + to - from + draft.length, 0)).toBeLessThanOrEqual(budget);
    const slots = plan.entries.map(({ slot }) => slot);
    expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b));
    for (const { sequence } of plan.entries) expect(sequence.group).toBe(plan.group);
    if (budget >= this.#limits.slots) {
      // A long prompt stops nobody who is being read from.
      const served = new Set(plan.entries.map(({ sequence }) => sequence.key));
      const turn = (key: number) => (this.#live.get(key)!.arrival.group ?? 0) === plan.group;
      for (const [slot, key] of decoding) if (this.#owners.get(slot) === key && turn(key)) expect(served).toContain(key);
    }
  }

  #compute(plan: Plan): Sampled[] {
    const sampled: Sampled[] = [];
    for (const { sequence, slot, from, to, samples, draft } of plan.entries) {
      const { key } = sequence;
      const cells = this.#cells[slot]!;
      expect(this.#owners.get(slot) ?? key).toBe(key); // nobody else is in there
      expect(from).toBe(cells.tokens.length); // nothing twice, nothing skipped
      expect(cells.tokens).toEqual(sequence.tokens.slice(0, from)); // and nobody else's
      if (from > 0) expect(cells.salt).toBe(sequence.salt);
      cells.salt = sequence.salt;
      expect(to).toBeGreaterThan(from);
      expect(sequence.tokens).toEqual(this.#tokens(key));
      this.#owners.set(slot, key);
      cells.tokens.push(...sequence.tokens.slice(from, to));
      this.computed += to - from;
      expect(samples).toBe(to === sequence.tokens.length && sequence.maxTokens > 0);
      if (samples) sampled.push(...this.#sample(sequence, cells.tokens, draft));
      else expect(draft).toEqual([]);
      cells.tokens.push(...draft);
      this.drafted += draft.length;
    }
    return sampled;
  }

  /** As long as the draft is right. */
  #sample({ key, group }: Sequence, tokens: readonly number[], draft: readonly number[]): Sampled[] {
    const sampled: Sampled[] = [];
    for (let i = 0; i <= draft.length; i++) {
      const token = nextToken([...tokens, ...draft.slice(0, i)], group);
      this.#live.get(key)!.generated.push(token);
      sampled.push({ key, token, ended: isEnd(token) });
      if (isEnd(token) || token !== draft[i]) break;
    }
    this.accepted += sampled.length - 1;
    return sampled;
  }

  #checkRoom(): void {
    expect(this.#cells.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(this.#limits.cells);
    for (const { tokens } of this.#cells) expect(tokens.length).toBeLessThanOrEqual(this.#limits.cellsPerSequence);
    // First come, first served: those who were admitted came before those who wait.
    const { running, waiting } = this.scheduler;
    const first = new Set([...this.#live.keys()].slice(0, running));
    if (this.#fifo) expect([...this.#owners.values()].every((key) => first.has(key))).toBe(true);
    expect(running + waiting).toBe(this.#live.size);
    expect(running).toBeGreaterThanOrEqual(this.#owners.size);
  }

  #tokens(key: number): number[] {
    const { arrival, generated } = this.#live.get(key)!;
    return [...arrival.prompt, ...generated];
  }

  #end(key: number, reason: "stop" | "length"): void {
    expect(this.#live.has(key)).toBe(true); // once only
    this.outcomes.set(key, { tokens: this.#live.get(key)!.generated, reason });
    this.#forget(key);
  }

  #forget(key: number): void {
    this.#live.delete(key);
    for (const [slot, owner] of this.#owners) if (owner === key) this.#owners.delete(slot);
  }
}

/** Milliseconds, as a step on a processor takes them: most of it for the first token. */
export function costOf({ entries }: Plan): number {
  return entries.reduce((cost, { from, to, draft }) => cost + to - from + draft.length, 5);
}

function drafter(guesses: readonly GuessedRight[]): Propose {
  let asked = 0;
  return ({ tokens, group }) => {
    const { right, wrong } = guesses[asked++ % guesses.length]!;
    const goesOn = [...tokens];
    for (let i = 0; i < right; i++) goesOn.push(nextToken(goesOn, group));
    for (let i = 0; i < wrong; i++) goesOn.push(nextToken(goesOn, group) + 1);
    return goesOn.slice(tokens.length);
  };
}
