/**
 * A modelled GPU: what its KV cells hold and how long a step takes. It believes nothing: a plan that computes a token twice, skips one,
 * takes another sequence's cells or more cells than there are throws. Its "model" makes each token from all tokens before it, so that a
 * wrong cell shows in the text. Driven by run.ts.
 */
import type { CellAction } from "../../src/scheduler/cells.ts";
import type { Plan, Sampled } from "../../src/scheduler/scheduler.ts";

/** Milliseconds. */
export interface Costs {
  /** Of any step: the weights are read once, kernels are launched. */
  readonly step: number;
  /** More for each token of a step. */
  readonly token: number;
  /** More for each KV cell that a sequence of the step attends to. */
  readonly cell: number;
  /** For each cell copied on the GPU. */
  readonly copy: number;
  /** For each cell moved between GPU and the memory of the host. */
  readonly move: number;
}

/** About an 8B model in 16 bits on one H100: 16 GB of weights at 3 TB/s, 16 GFLOP a token at 600 TFLOP/s, 128 KiB a cell, 50 GB/s to the host. */
export const H100: Costs = { step: 6, token: 0.027, cell: 4.4e-5, copy: 8.7e-5, move: 2.6e-3 };

const START = 7;

/** The state after one more token (FNV-1a by whole tokens). */
function mix(state: number, token: number): number {
  return Math.imul(state ^ token, 16_777_619) >>> 0;
}

function tokenOf(state: number): number {
  return state % 50_000;
}

/** The answer to a prompt, without any scheduler. */
export function alone(prompt: readonly number[], answer: number): number[] {
  let state = prompt.reduce(mix, START);
  return Array.from({ length: answer }, () => {
    const token = tokenOf(state);
    state = mix(state, token);
    return token;
  });
}

export class ModelledGpu {
  readonly #costs: Costs;
  readonly #cells: number;
  /** Of each slot the state after each of its tokens. */
  readonly #slots: number[][];
  readonly #store = new Map<number, number[]>();
  readonly #storeCells: number;
  #storeUsed = 0;

  constructor(costs: Costs, limits: { readonly slots: number; readonly cells: number; readonly storeTokens: number }) {
    this.#costs = costs;
    this.#cells = limits.cells;
    this.#storeCells = limits.storeTokens;
    this.#slots = Array.from({ length: limits.slots }, () => []);
  }

  /** Does what the plan says. `ends`: whether a sequence's answer is complete with its next token. */
  step({ actions, entries }: Plan, ends: (key: number) => boolean): { ms: number; sampled: Sampled[] } {
    let ms = entries.length > 0 ? this.#costs.step : 0;
    for (const action of actions) ms += this.#do(action);
    const sampled: Sampled[] = [];
    for (const { sequence, slot, from, to, samples } of entries) {
      const states = this.#slots[slot]!;
      check(states.length === from && to > from, `slot ${slot} holds ${states.length} tokens, the plan computes ${from} to ${to}`);
      for (let i = from; i < to; i++) states.push(mix(states.at(-1) ?? START, sequence.tokens[i]!));
      ms += (to - from) * this.#costs.token + to * this.#costs.cell;
      if (samples) sampled.push({ key: sequence.key, token: tokenOf(states.at(-1)!), ended: ends(sequence.key) });
    }
    const used = this.#slots.reduce((sum, states) => sum + states.length, 0);
    check(used <= this.#cells, `${used} cells of ${this.#cells} are used`);
    return { ms, sampled };
  }

  /** @returns milliseconds */
  #do(action: CellAction): number {
    switch (action.type) {
      case "cut":
        this.#slots[action.slot]!.length = action.from;
        return 0;
      case "copy":
        this.#fill(action.slot, this.#slots[action.source]!, action.keep);
        return action.keep * this.#costs.copy;
      case "save": {
        const saved = [...this.#slots[action.slot]!];
        check(!this.#store.has(action.entry), `entry ${action.entry} is saved twice`);
        this.#store.set(action.entry, saved);
        this.#storeUsed += saved.length;
        check(this.#storeUsed <= this.#storeCells, `the store holds ${this.#storeUsed} of ${this.#storeCells}`);
        return saved.length * this.#costs.move;
      }
      case "restore":
        this.#fill(action.slot, this.#entry(action.entry), action.keep);
        return action.keep * this.#costs.move;
      case "drop":
        this.#storeUsed -= this.#entry(action.entry).length;
        this.#store.delete(action.entry);
        return 0;
    }
  }

  #fill(slot: number, source: readonly number[], keep: number): void {
    check(this.#slots[slot]!.length === 0 && source.length >= keep, `slot ${slot} cannot take ${keep} of ${source.length} tokens`);
    this.#slots[slot] = source.slice(0, keep);
  }

  #entry(number: number): readonly number[] {
    const entry = this.#store.get(number);
    if (!entry) throw new Error(`the store has no entry ${number}`);
    return entry;
  }
}

export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`the scheduler broke a promise: ${otherwise}`);
}
