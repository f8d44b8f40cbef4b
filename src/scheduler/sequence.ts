/**
 * One sequence as the scheduler sees it. There is no prefill phase and no decode phase: `tokens` are what it is made of,
 * `computed` how many of them are in the KV cache, and each step lets computed catch up. A prefix that is found in the cache is
 * simply computed already.
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
  /** Most tokens drafted for it in a step; absent: as many as pay. */
  readonly maxDraft?: number;
  /** Only sequences of the same salt share cells: what one tenant computed must not show in another's response time. */
  readonly salt?: string;
  /** Who asks: arrivals of one tenant do not hold up those of another. */
  readonly tenant?: string;
  /** Larger is later; 0 is usual. Nobody waits for ever. */
  readonly priority?: number;
  /** The logits of all tokens of its prompt are wanted: that is computed as a whole, whatever is in the cache; absent: no. */
  readonly allLogits?: boolean;
  /** Only sequences of the same group are computed in one step (groups.ts); absent: 0. Each group must have salts of its own. */
  readonly group?: number;
}

export class Sequence {
  readonly key: number;
  readonly tokens: number[];
  readonly promptLength: number;
  readonly maxTokens: number;
  readonly maxDraft: number;
  readonly salt: string;
  readonly group: number;
  readonly #allLogits: boolean;
  /** Its place in the queue: see queue.ts. */
  readonly tag: number;
  /** The same without its priority. */
  readonly start: number;
  computed = 0;
  /** How many tokens of the prompt were found in the cache when it was first admitted. */
  cached: number | undefined;
  /** The KV stream it owns (`seq_id` of libllama), or undefined while it waits. */
  slot: number | undefined;

  constructor(arrival: Arrival, tag: number, start = tag) {
    this.key = arrival.key;
    this.tokens = [...arrival.prompt];
    this.promptLength = arrival.prompt.length;
    this.maxTokens = arrival.maxTokens;
    this.maxDraft = arrival.maxDraft ?? Number.POSITIVE_INFINITY;
    this.salt = arrival.salt ?? "";
    this.group = arrival.group ?? 0;
    this.#allLogits = arrival.allLogits ?? false;
    this.tag = tag;
    this.start = start;
  }

  get needed(): number {
    return this.tokens.length - this.computed;
  }

  get wantsAllLogits(): boolean {
    return this.#allLogits && this.generated === 0;
  }

  /** How many of its tokens a cache may spare it: of the last one the logits are needed. */
  get reusable(): number {
    return this.wantsAllLogits ? 0 : this.tokens.length - 1;
  }

  get generated(): number {
    return this.tokens.length - this.promptLength;
  }
}
