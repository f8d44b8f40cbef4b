/**
 * One sequence as the scheduler sees it. There is no prefill phase and no decode phase: `tokens` are what it is made of,
 * `computed` how many of them are in the KV cache, and each step lets computed catch up.
 *
 *   tokens    p p p p p p g g      p prompt, g generated
 *   computed  ──────────▶ 6        the next step computes tokens 6 and 7; the logits of the last one give the next token
 *
 * Created and changed by scheduler.ts only.
 */

/** What the engine hands in. */
export interface Arrival {
  /** Unique among the live sequences. */
  readonly key: number;
  readonly prompt: readonly number[];
  /** Most tokens to generate; Infinity when only the context ends it. */
  readonly maxTokens: number;
}

export class Sequence {
  readonly key: number;
  readonly tokens: number[];
  readonly promptLength: number;
  readonly maxTokens: number;
  computed = 0;
  /** The KV stream it owns (`seq_id` of libllama), or undefined while it waits. */
  slot: number | undefined;

  constructor(arrival: Arrival) {
    this.key = arrival.key;
    this.tokens = [...arrival.prompt];
    this.promptLength = arrival.prompt.length;
    this.maxTokens = arrival.maxTokens;
  }

  get needed(): number {
    return this.tokens.length - this.computed;
  }

  get generated(): number {
    return this.tokens.length - this.promptLength;
  }
}
