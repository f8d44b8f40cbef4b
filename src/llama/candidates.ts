/**
 * A `llama_token_data_array` of our own: the tokens a sampler may choose from, with their logits, in native memory that is made
 * once and written in place. Called by grammar.ts, sampler.ts and the engine; it must not know what the tokens mean.
 */
import koffi from "koffi";
import { type CandidatesPointer, library, type SamplerPointer } from "./library.ts";

/** `llama_token_data` of llama.h: int32 id, float logit, float p. */
const TOKEN = { words: 3, logit: 1 } as const;
/** `llama_token_data_array`: pointer, size_t size, int64 selected, bool sorted; as 32-bit words of a little-endian machine. */
const ARRAY = { words: 8, size: 2, selected: 4, sorted: 6 } as const;

/** How far below the best logit is looked at first, and then. */
const NEAR = [6, 10, 16] as const;

export class Candidates {
  readonly pointer: CandidatesPointer;
  readonly #data: bigint;
  readonly #ids: Int32Array;
  readonly #logits: Float32Array;
  readonly #array: Int32Array;
  readonly #dataPointer: BigInt64Array;
  readonly #best = new Map<number, SamplerPointer>();

  /** Room for `capacity` tokens: the size of the vocabulary. */
  constructor(capacity: number) {
    this.#data = koffi.alloc("int32", capacity * TOKEN.words) as bigint;
    const data = koffi.view(this.#data, capacity * TOKEN.words * 4);
    this.#ids = new Int32Array(data);
    this.#logits = new Float32Array(data);
    this.pointer = koffi.alloc("int64", ARRAY.words / 2) as bigint;
    const array = koffi.view(this.pointer, ARRAY.words * 4);
    this.#array = new Int32Array(array).fill(0);
    this.#dataPointer = new BigInt64Array(array, 0, 1);
    this.#dataPointer[0] = this.#data;
  }

  get size(): number {
    return this.#array[ARRAY.size]!;
  }

  id(index: number): number {
    return this.#ids[index * TOKEN.words]!;
  }

  logit(index: number): number {
    return this.#logits[index * TOKEN.words + TOKEN.logit]!;
  }

  /** Every token of the vocabulary. */
  fillAll(logits: Float32Array): void {
    const { words, logit } = TOKEN;
    for (let id = 0, at = 0; id < logits.length; id++, at += words) {
      this.#ids[at] = id;
      this.#logits[at + logit] = logits[id]!;
    }
    this.#restart(logits.length);
  }

  /** These tokens; without logits they are equal. */
  fill(ids: readonly number[], logits?: Float32Array): void {
    const { words, logit } = TOKEN;
    for (let i = 0, at = 0; i < ids.length; i++, at += words) {
      const id = ids[i]!;
      this.#ids[at] = id;
      this.#logits[at + logit] = logits ? logits[id]! : 0;
    }
    this.#restart(ids.length);
  }

  fillOne(id: number): void {
    this.#ids[0] = id;
    this.#logits[TOKEN.logit] = 0;
    this.#restart(1);
  }

  /**
   * The `count` likeliest of the vocabulary, likeliest first. Nearly all tokens are far from the best one, so those near it are
   * looked for first: a pass over the logits costs a tenth of what a selection from all of them does.
   */
  fillLikeliest(logits: Float32Array, count: number): void {
    let best = Number.NEGATIVE_INFINITY;
    for (let id = 0; id < logits.length; id++) if (logits[id]! > best) best = logits[id]!;
    const enough = NEAR.some((distance) => this.#fillAbove(logits, best - distance) >= count);
    if (!enough) this.fillAll(logits);
    this.#keepBest(count);
  }

  /** Those with a logit of at least `least`. @returns how many they are. */
  #fillAbove(logits: Float32Array, least: number): number {
    const { words, logit } = TOKEN;
    let size = 0;
    for (let id = 0; id < logits.length; id++) {
      const value = logits[id]!;
      if (!(value >= least)) continue;
      this.#ids[size * words] = id;
      this.#logits[size * words + logit] = value;
      size++;
    }
    this.#restart(size);
    return size;
  }

  #keepBest(count: number): void {
    let sampler = this.#best.get(count);
    if (sampler === undefined) {
      sampler = library().samplerTopK(count);
      this.#best.set(count, sampler);
    }
    library().samplerApply(sampler, this.pointer);
  }

  /** The ids that have a chance at all: a grammar marks the others with a logit of −infinity, and moves none. */
  possible(): number[] {
    const ids: number[] = [];
    for (let i = 0, size = this.size; i < size; i++) if (this.logit(i) !== Number.NEGATIVE_INFINITY) ids.push(this.id(i));
    return ids;
  }

  /** The token that the last sampler of a chain selected. */
  get selected(): number {
    const index = this.#array[ARRAY.selected]!;
    if (index < 0 || index >= this.size || this.#dataPointer[0] !== this.#data) throw new Error("no sampler selected a token");
    return this.id(index);
  }

  #restart(size: number): void {
    this.#array[ARRAY.size] = size;
    this.#array[ARRAY.selected] = -1;
    this.#array[ARRAY.selected + 1] = -1;
    this.#array[ARRAY.sorted] = 0;
  }
}
