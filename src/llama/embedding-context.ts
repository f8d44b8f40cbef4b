/**
 * A context that makes vectors of texts, beside the one that generates or instead of it. Called by engine/embedder.ts. It guards the calls
 * on which libllama asserts; it must not know what a request is.
 */
import koffi from "koffi";
import { Batch } from "./context.ts";
import { withoutClearing } from "./fresh-memory.ts";
import { type ContextPointer, type Library, library } from "./library.ts";
import type { LlamaModel } from "./model.ts";
import { withDefaults } from "./structs.ts";
import { threadpoolOf } from "./threadpool.ts";

export interface EmbeddingContextOptions {
  /** Tokens of all sequences that are in it at once. */
  readonly cells: number;
  /** Tokens of one `decode`. A model that reads a text at once needs room for all of the text. */
  readonly batchTokens: number;
  readonly sequences: number;
  /** "none": the vector of each token is asked for. */
  readonly pooling: NativePooling;
  /** Where libllama thinks it fits. Without it the vector of a text does not depend on what else is in the batch (docs/decisions.md). */
  readonly flashAttention: boolean;
  readonly threads: number;
}

/** `llama_pooling_type` of llama.h. */
const POOLING = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 } as const;
export type NativePooling = keyof typeof POOLING;

const FLASH_AUTO = -1;
const FLASH_OFF = 0;
export class EmbeddingContext {
  readonly sequences: number;
  readonly cells: number;
  readonly batchTokens: number;
  readonly #lib: Library;
  readonly #pointer: ContextPointer;
  readonly #batch: Batch;
  readonly #vocabSize: number;
  readonly #width: number;
  readonly #pooledWidth: number;
  /** Tokens of the largest batch so far: for a larger one libllama makes new buffers. */
  #largest = 0;

  private constructor(pointer: ContextPointer, model: LlamaModel, { cells, batchTokens, sequences, pooling }: EmbeddingContextOptions) {
    this.#lib = library();
    this.#pointer = pointer;
    this.#batch = new Batch(this.#lib, batchTokens);
    this.#vocabSize = model.vocabSize;
    this.#width = model.vectorWidth;
    this.#pooledWidth = pooling === "rank" ? 1 : model.vectorWidth;
    this.cells = cells;
    this.batchTokens = batchTokens;
    this.sequences = sequences;
  }

  /** @throws when the memory cannot be had, or the library did not do what was asked. */
  static create(model: LlamaModel, options: EmbeddingContextOptions): EmbeddingContext {
    const lib = library();
    const { cells, batchTokens, sequences, pooling, flashAttention, threads } = options;
    const params = withDefaults(lib.contextDefaultParams(), {
      n_ctx: cells,
      n_batch: batchTokens,
      n_ubatch: batchTokens,
      n_seq_max: sequences,
      n_threads: threads,
      n_threads_batch: threads,
      kv_unified: true,
      embeddings: true,
      pooling_type: POOLING[pooling],
      flash_attn_type: flashAttention ? FLASH_AUTO : FLASH_OFF,
    });
    const pointer = withoutClearing(() => lib.contextInit(model.pointer, params));
    if (!pointer) throw new Error(`no context for the vectors of ${cells} tokens could be made`);
    const got = [
      lib.contextBatch(pointer) === batchTokens,
      lib.contextSize(pointer) >= cells,
      lib.poolingType(pointer) === POOLING[pooling],
    ];
    if (got.includes(false)) throw new Error("libllama made another context than was asked for");
    const pool = threadpoolOf(threads);
    lib.attachThreadpool(pointer, pool, pool);
    return new EmbeddingContext(pointer, model, options);
  }

  free(): void {
    this.#batch.free();
    this.#lib.contextFree(this.#pointer);
  }

  set threads(threads: number) {
    this.#lib.setThreads(this.#pointer, threads, threads);
  }

  /** @returns its row: see `rows`. */
  add(token: number, position: number, sequence: number): number {
    if (sequence < 0 || sequence >= this.sequences) throw new Error(`sequence ${sequence} of ${this.sequences}`);
    if (token < 0 || token >= this.#vocabSize) throw new Error(`token ${token} of ${this.#vocabSize}`);
    return this.#batch.add(token, position, sequence, true);
  }

  /** Computes what was added since the last call. @throws when libllama fails: then the context is not to be used again. */
  decode(): void {
    const tokens = this.#batch.struct.n_tokens;
    const compute = () => this.#lib.decode(this.#pointer, this.#batch.struct);
    // The buffer of outputs has room for the logits of every token, which encoders never write: a quarter of a gigabyte with 128 k tokens.
    const code = tokens > this.#largest ? withoutClearing(compute) : compute();
    this.#largest = Math.max(this.#largest, tokens);
    this.#batch.clear();
    if (code !== 0) throw new Error(`llama_decode returned ${code} for vectors`);
  }

  /** The vectors of the `count` tokens of the last `decode`, in their order; valid until the next. Pooling "none". */
  rows(count: number): Float32Array {
    const pointer = this.#lib.vectors(this.#pointer);
    if (pointer === null) throw new Error("libllama gave no vectors");
    return new Float32Array(koffi.view(pointer, count * this.#width * 4));
  }

  /** A copy of the vector of a sequence, or of its one score. Any other pooling. */
  pooled(sequence: number): Float32Array {
    const pointer = this.#lib.vectorOf(this.#pointer, sequence);
    if (pointer === null) throw new Error(`libllama gave no vector of sequence ${sequence}`);
    return new Float32Array(koffi.view(pointer, this.#pooledWidth * 4)).slice();
  }

  /** Forgets all sequences. */
  clear(): void {
    const memory = this.#lib.memory(this.#pointer);
    if (memory) this.#lib.memoryClear(memory, false);
  }
}
