/**
 * Log probabilities of the tokens of prompts, for those who asked: each token's from the logits of the one before it. Told by loop.ts which
 * tokens a step computes, and asked afterwards; it costs nothing for sequences that nobody watches.
 */
import type { GenerationEvent, TokenLogprob } from "../contract/generation.ts";
import type { PlanEntry } from "../scheduler/scheduler.ts";
import { tokenLogprob } from "./logprobs.ts";

/** The logits of all rows of a step take at most this much memory. */
const MOST_ROWS_BYTES = 64e6;

type PromptEvent = GenerationEvent & { readonly type: "prompt" };

interface Watched {
  readonly choice: number;
  readonly top: number;
  readonly prompt: readonly number[];
  /** By position; the first token has none. */
  readonly found: TokenLogprob[];
}

/** Where the logits of a position of a prompt are after the step. */
interface Row {
  readonly key: number;
  readonly position: number;
  readonly index: number;
}

export class PromptLogprobs {
  readonly #piece: (token: number) => Uint8Array;
  readonly #watched = new Map<number, Watched>();
  #rows: Row[] = [];

  /** `piece`: the bytes of a token. */
  constructor(piece: (token: number) => Uint8Array) {
    this.#piece = piece;
  }

  /** By the key of the sequence. `top`: how many alternatives. */
  watch(key: number, choice: number, prompt: readonly number[], top: number): void {
    this.#watched.set(key, { choice, top, prompt, found: [] });
  }

  forget(key: number): void {
    this.#watched.delete(key);
  }

  /** Whether the logits of this position are wanted. */
  wants(key: number, position: number): boolean {
    const watched = this.#watched.get(key);
    return watched !== undefined && position < watched.prompt.length - 1;
  }

  /** They will be at `index`. */
  expect(key: number, position: number, index: number): void {
    this.#rows.push({ key, position, index });
  }

  /** After the step. @returns the events of prompts that are through, by key. */
  computed(entries: readonly PlanEntry[], logits: (index: number) => Float32Array): Array<readonly [key: number, event: PromptEvent]> {
    for (const { key, position, index } of this.#rows) {
      const { prompt, found, top } = this.#watched.get(key)!;
      found[position + 1] = tokenLogprob(logits(index), prompt[position + 1]!, top, this.#piece);
    }
    this.#rows = [];
    if (this.#watched.size === 0) return [];
    return entries.flatMap(({ sequence: { key }, to }) => {
      const watched = this.#watched.get(key);
      if (!watched || to < watched.prompt.length) return [];
      this.#watched.delete(key);
      const { choice, prompt, found } = watched;
      const first: TokenLogprob = { token: prompt[0]!, bytes: this.#piece(prompt[0]!), logprob: Number.NaN, top: [] };
      return [[key, { type: "prompt", choice, tokens: [first, ...found.slice(1)] }] as const];
    });
  }

  /** The step was not computed. */
  cancel(): void {
    this.#rows = [];
  }
}

/** Most rows of a step whose logits are kept for prompts. */
export function mostRows(vocabSize: number): number {
  return Math.max(1, Math.floor(MOST_ROWS_BYTES / (4 * vocabSize)));
}
