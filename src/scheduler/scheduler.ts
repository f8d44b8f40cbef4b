/**
 * Decides who gets how many tokens in the next step. Pure: no clock, promise, native call or I/O, so its tests need no model.
 * The engine's loop calls `plan`, computes what it says, samples, and gives the tokens back to `apply`.
 *
 *   arrive ─▶ waiting ──admit (a slot is free, its cells fit)──▶ running ──apply──▶ ended
 *                ▲                                                  │
 *                └────────────── preempt (cells ran out) ───────────┘
 */
import { type Arrival, Sequence } from "./sequence.ts";

export interface Limits {
  /** How many sequences may run at once: the `seq_id`s 0 … slots − 1. */
  readonly slots: number;
  /** Tokens that one sequence may hold. */
  readonly cellsPerSequence: number;
  /** KV cells of all sequences together: slots × cellsPerSequence when each has its own stream, less in a shared pool. */
  readonly cells: number;
}

/** Tokens `from` … `to` − 1 of a sequence, to be computed in its slot; the last one's logits are wanted when `samples`. */
export interface PlanEntry {
  readonly sequence: Sequence;
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  readonly samples: boolean;
}

export interface Plan {
  /** Slots whose cells are to be emptied before anything is computed. */
  readonly release: readonly number[];
  /** In the order of their slots: libllama computes consecutive slots in one go. */
  readonly entries: readonly PlanEntry[];
}

/** What was sampled for an entry that `samples`; `ended` when the text is complete (end of generation, stop string). */
export interface Sampled {
  readonly key: number;
  readonly token: number;
  readonly ended: boolean;
}

export class Scheduler {
  readonly #limits: Limits;
  readonly #waiting: Sequence[] = [];
  /** In order of admission: the first is the oldest and the last to be preempted. */
  #running: Sequence[] = [];
  readonly #freeSlots: number[];
  #release: number[] = [];

  constructor(limits: Limits) {
    if (limits.cellsPerSequence > limits.cells) throw new Error("a sequence could never fill its context");
    this.#limits = limits;
    this.#freeSlots = Array.from({ length: limits.slots }, (_, slot) => slot);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.length;
  }

  get idle(): boolean {
    return this.#waiting.length + this.#running.length === 0;
  }

  /** Whether a prompt of this length can be computed at all: a prompt that fills the context still gives one token. */
  fits(promptLength: number): boolean {
    return promptLength <= this.#limits.cellsPerSequence;
  }

  /** The prompt must fit and hold at least one token. */
  arrive(arrival: Arrival): void {
    if (arrival.prompt.length === 0 || !this.fits(arrival.prompt.length)) throw new Error(`a prompt of ${arrival.prompt.length} tokens`);
    this.#waiting.push(new Sequence(arrival));
  }

  /** Takes a sequence out, wherever it is. Unknown keys are sequences that ended already. */
  abort(key: number): void {
    const at = this.#waiting.findIndex((sequence) => sequence.key === key);
    if (at >= 0) this.#waiting.splice(at, 1);
    const sequence = this.#running.find((other) => other.key === key);
    if (sequence) this.#leave(sequence);
  }

  /** What the next step computes: at most `budget` tokens, one each for those that decode, the rest for prompts. */
  plan(budget: number): Plan {
    this.#makeRoom();
    const counts = new Map<Sequence, number>();
    let left = budget;
    let cells = this.#limits.cells - this.#cellsUsed();
    const give = (sequence: Sequence, wanted: number) => {
      const count = Math.min(wanted, left, cells);
      if (count <= 0) return;
      counts.set(sequence, count);
      left -= count;
      cells -= count;
    };
    // Those who are read from at this moment first: a token each, so that a long prompt does not stop them.
    for (const sequence of this.#running) if (sequence.needed === 1) give(sequence, 1);
    for (const sequence of this.#running) if (sequence.needed > 1) give(sequence, sequence.needed);
    while (left > 0 && this.#freeSlots.length > 0 && this.#waiting.length > 0 && this.#waiting[0]!.needed + this.#headroom() <= cells) {
      const sequence = this.#admit();
      give(sequence, sequence.needed);
    }
    const release = this.#release;
    this.#release = [];
    return { release, entries: [...counts].map(entry).sort((a, b) => a.slot - b.slot) };
  }

  /**
   * Takes the outcome of a computed plan. A sequence that reached its token limit or the end of its context ends here.
   * @returns the keys that ended by length; those that the caller called ended are gone too.
   */
  apply(plan: Plan, sampled: readonly Sampled[]): number[] {
    const full: number[] = [];
    for (const { sequence, to } of plan.entries) {
      sequence.computed = to;
      if (sequence.maxTokens > 0 || sequence.needed > 0) continue;
      full.push(sequence.key); // only the prompt was asked for
      this.#leave(sequence);
    }
    const byKey = new Map(this.#running.map((sequence) => [sequence.key, sequence]));
    for (const { key, token, ended } of sampled) {
      const sequence = byKey.get(key);
      if (!sequence) continue;
      sequence.tokens.push(token);
      const atLimit = sequence.generated >= sequence.maxTokens || sequence.tokens.length > this.#limits.cellsPerSequence;
      if (!ended && atLimit) full.push(key);
      if (ended || atLimit) this.#leave(sequence);
    }
    return full;
  }

  /**
   * Sends the youngest running sequence back to the head of the queue; what it has generated stays and is computed again.
   * @returns false when only one runs: nobody can make room for it.
   */
  preempt(): boolean {
    if (this.#running.length <= 1) return false;
    const sequence = this.#running.at(-1)!;
    this.#leave(sequence);
    sequence.computed = 0;
    this.#waiting.unshift(sequence);
    return true;
  }

  /** Every running sequence must be able to take a step, or the youngest give way. */
  #makeRoom(): void {
    const wanted = () => this.#running.reduce((n, sequence) => n + Math.min(sequence.needed, 1), 0);
    while (this.#cellsUsed() + wanted() > this.#limits.cells && this.preempt());
  }

  /** Cells kept for those who run, so that an arrival is not sent back to the queue a few steps later. */
  #headroom(): number {
    return this.#running.length * 16;
  }

  #cellsUsed(): number {
    return this.#running.reduce((n, sequence) => n + sequence.computed, 0);
  }

  #admit(): Sequence {
    const sequence = this.#waiting.shift()!;
    // The lowest free slot: steps over consecutive slots are a fifth cheaper (docs/decisions.md).
    sequence.slot = this.#freeSlots.shift()!;
    this.#running.push(sequence);
    return sequence;
  }

  #leave(sequence: Sequence): void {
    this.#running = this.#running.filter((other) => other !== sequence);
    const slot = sequence.slot!;
    sequence.slot = undefined;
    this.#release.push(slot);
    this.#freeSlots.push(slot);
    this.#freeSlots.sort((a, b) => a - b);
  }
}

function entry([sequence, count]: [Sequence, number]): PlanEntry {
  const to = sequence.computed + count;
  return { sequence, slot: sequence.slot!, from: sequence.computed, to, samples: to === sequence.tokens.length && sequence.maxTokens > 0 };
}
