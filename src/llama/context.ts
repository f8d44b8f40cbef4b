/**
 * A context: the KV cache of all sequences of one model and the step that computes a batch. Called by the engine's loop.
 * It guards the calls on which libllama asserts (engine notes in docs/architecture.md); it must not know what a request is.
 */
import koffi from "koffi";
import { ShimmyError } from "../contract/errors.ts";
import type { KvType, Serving } from "../contract/model.ts";
import type { LlamaAdapter } from "./adapter.ts";
import { withoutClearing } from "./fresh-memory.ts";
import { type ContextPointer, type Library, library, type MemoryPointer } from "./library.ts";
import type { LlamaModel } from "./model.ts";
import { type BatchStruct, type ContextParams, withDefaults } from "./structs.ts";
import { threadpoolOf } from "./threadpool.ts";

export interface ContextOptions {
  /** KV cells of all sequences together. */
  readonly cells: number;
  readonly sequences: number;
  /** One pool of cells for all sequences, or an equal share each. */
  readonly unified: boolean;
  /** A cache of q8_0 needs flash attention, and heads whose width is a multiple of 32. */
  readonly kvType: KvType;
  readonly flashAttention: FlashAttention;
  readonly threads: number;
  /** Most tokens a step may compute. */
  readonly batchTokens: number;
}

type FlashAttention = Serving["flashAttention"];

/** `llama_flash_attn_type` of llama.h. */
const FLASH_ATTENTION: Readonly<Record<FlashAttention, number>> = { auto: -1, off: 0, on: 1 };
/** `ggml_type` of ggml.h. */
const KV_TYPES: Readonly<Record<KvType, number>> = { f16: 1, q8_0: 8 };
/** For narrower heads flash attention is slow on a CPU: 3.2 ms a token against 0.7 with 32 wide heads and 900 tokens of context. */
const LEAST_FLASH_HEAD = 64;

/** What a step did; `full`: no KV cells were left and nothing was computed. */
export type DecodeResult = "computed" | "full";

export class LlamaContext {
  /** KV cells in all, and tokens one sequence may hold; padded by libllama, so at least what was asked for. */
  readonly cells: number;
  readonly cellsPerSequence: number;
  readonly batchTokens: number;
  readonly sequences: number;
  readonly unified: boolean;
  /** As asked for, or what "auto" became as far as it is not libllama's to decide. */
  readonly flashAttention: FlashAttention;
  /** Threads of its pool: the most a step may use. */
  readonly threadsAllowed: number;
  readonly #lib: Library;
  readonly #memory: MemoryPointer;
  readonly #batch: Batch;
  readonly #vocabSize: number;
  /** `koffi.view` costs 25 µs and rows move rarely, so views are kept by address. */
  readonly #rows = new Map<bigint, Float32Array>();

  private constructor(
    lib: Library,
    readonly pointer: ContextPointer,
    model: LlamaModel,
    { unified, threads, flashAttention }: ContextOptions,
  ) {
    this.#lib = lib;
    this.unified = unified;
    this.flashAttention = flashAttention;
    this.threadsAllowed = threads;
    this.#memory = lib.memory(pointer);
    this.cells = lib.contextSize(pointer);
    this.cellsPerSequence = lib.contextSizePerSequence(pointer);
    this.batchTokens = lib.contextBatch(pointer);
    this.sequences = lib.contextSequences(pointer);
    this.#batch = new Batch(lib, this.batchTokens);
    this.#vocabSize = model.vocabSize;
  }

  /** @throws model_load_failed when the memory cannot be had or the library did not do what was asked. */
  static create(model: LlamaModel, name: string, wished: ContextOptions): LlamaContext {
    const lib = library();
    const options = { ...wished, flashAttention: flashAttentionFor(model, wished) };
    const wanted: Partial<ContextParams> = {
      n_ctx: options.cells,
      n_batch: options.batchTokens,
      n_ubatch: Math.min(options.batchTokens, 512),
      n_seq_max: options.sequences,
      n_threads: options.threads,
      n_threads_batch: options.threads,
      kv_unified: options.unified,
      flash_attn_type: FLASH_ATTENTION[options.flashAttention],
      type_k: KV_TYPES[options.kvType],
      type_v: KV_TYPES[options.kvType],
    };
    const params = withDefaults(lib.contextDefaultParams(), wanted);
    const pointer = withoutClearing(() => lib.contextInit(model.pointer, params));
    if (!pointer) {
      const reason = `no context of ${options.cells} tokens could be made with a KV cache of ${options.kvType}`;
      throw new ShimmyError("model_load_failed", { model: name, reason });
    }
    const context = new LlamaContext(lib, pointer, model, options);
    // The functional half of the fingerprint: a shifted member would show here as another number.
    const got = [context.cells >= options.cells, context.batchTokens === options.batchTokens, context.sequences === options.sequences];
    if (got.includes(false)) throw new ShimmyError("engine_unavailable", { reason: "libllama made another context than was asked for" });
    const threadpool = threadpoolOf(options.threads);
    lib.attachThreadpool(pointer, threadpool, threadpool);
    return context;
  }

  free(): void {
    this.#batch.free();
    this.#lib.contextFree(this.pointer);
  }

  /** For the next step, at most `threadsAllowed`. */
  set threads(threads: number) {
    this.#lib.setThreads(this.pointer, threads, threads);
  }

  /** For all sequences, from the next step on; undefined: the model as it is. The graph is built anew, which takes milliseconds. */
  adapt(adapter: LlamaAdapter | undefined): void {
    const adapters = adapter ? [adapter] : [];
    const pointers = BigUint64Array.from(adapters, ({ pointer }) => pointer);
    const code = this.#lib.setAdapters(
      this.pointer,
      pointers,
      adapters.length,
      Float32Array.from(adapters, ({ scale }) => scale),
    );
    if (code !== 0) throw new Error(`llama_set_adapters_lora returned ${code}`);
  }

  /** Puts a token into the next step. @returns its index, by which its logits are asked for afterwards. */
  add(token: number, position: number, sequence: number, wantsLogits: boolean): number {
    this.#check(sequence);
    if (token < 0 || token >= this.#vocabSize) throw new Error(`token ${token} of ${this.#vocabSize}`);
    return this.#batch.add(token, position, sequence, wantsLogits);
  }

  /** Computes what was added since the last call. @throws when libllama fails for good: the context is then unusable. */
  decode(): DecodeResult {
    const code = this.#lib.decode(this.pointer, this.#batch.struct);
    this.#batch.clear();
    if (code === 0) return "computed";
    if (code === 1) return "full";
    throw new Error(`llama_decode returned ${code}`);
  }

  /** Raw logits of the token that `add` gave this index. Valid until the next `decode`. */
  logits(index: number): Float32Array {
    const pointer = this.#lib.logitsOf(this.pointer, index);
    if (pointer === null) throw new Error(`no logits were asked for at ${index}`);
    let row = this.#rows.get(pointer);
    if (!row) {
      if (this.#rows.size > 4 * this.sequences) this.#rows.clear(); // the buffer moved: its old views must not be read
      row = new Float32Array(koffi.view(pointer, this.#vocabSize * 4));
      this.#rows.set(pointer, row);
    }
    return row;
  }

  /** Forgets the tokens of a sequence from position `from` on. @returns false when this model cannot, and nothing has changed. */
  cut(sequence: number, from: number): boolean {
    this.#check(sequence);
    return this.#lib.sequenceRemove(this.#memory, sequence, from, -1);
  }

  /** Makes `target`, which must be empty, hold the first `keep` tokens of `source`. @returns false: then it is empty. */
  copy(source: number, target: number, keep: number): boolean {
    this.#check(source);
    this.#check(target);
    if (this.unified) {
      this.#lib.sequenceCopy(this.#memory, source, target, 0, keep); // shares the cells
      return true;
    }
    // llama_memory_seq_cp between streams copies all their cells, used or not, and asserts on a part.
    const saved = this.save(source);
    if (!saved) return false;
    try {
      return this.restore(saved, target, keep);
    } finally {
      freeCells(saved);
    }
  }

  /** A copy of the cells of a sequence in memory of its own; give it to `freeCells` in the end. Undefined when there are none. */
  save(sequence: number): SavedCells | undefined {
    this.#check(sequence);
    const bytes = Number(this.#lib.stateSize(this.pointer, sequence));
    const pointer = koffi.alloc("uint8_t", bytes) as bigint;
    if (Number(this.#lib.stateGet(this.pointer, pointer, bytes, sequence)) === bytes) return { pointer, bytes };
    koffi.free(pointer);
    return undefined;
  }

  /** Makes `sequence`, which must be empty, hold the first `keep` tokens that were saved. @returns false: then it is empty. */
  restore(saved: SavedCells | Buffer, sequence: number, keep: number): boolean {
    this.#check(sequence);
    const { pointer, bytes } = Buffer.isBuffer(saved) ? { pointer: saved, bytes: saved.length } : saved;
    const restored = Number(this.#lib.stateSet(this.pointer, pointer, bytes, sequence)) > 0 && this.cut(sequence, keep);
    if (!restored) this.cut(sequence, 0);
    return restored;
  }

  /** The bytes of saved cells, in place: valid until they are freed. */
  bytesOf({ pointer, bytes }: SavedCells): Uint8Array {
    return new Uint8Array(koffi.view(pointer, bytes));
  }

  /** libllama asserts on others. */
  #check(sequence: number): void {
    if (sequence < 0 || sequence >= this.sequences) throw new Error(`sequence ${sequence} of ${this.sequences}`);
  }
}

function flashAttentionFor(model: LlamaModel, { flashAttention, kvType }: ContextOptions): FlashAttention {
  if (flashAttention !== "auto") return flashAttention;
  if (kvType === "q8_0") return "on";
  return model.headSize < LEAST_FLASH_HEAD ? "off" : "auto";
}

/** Cells of one sequence outside of the cache, in the format of `llama_state_seq_get_data`: of this model and context only. */
export interface SavedCells {
  readonly pointer: bigint;
  readonly bytes: number;
}

export function freeCells(saved: SavedCells): void {
  koffi.free(saved.pointer);
}

/** The native arrays of a `llama_batch`, viewed once and written in place. */
export class Batch {
  readonly struct: BatchStruct;
  readonly #lib: Library;
  readonly #token: Int32Array;
  readonly #position: Int32Array;
  readonly #logits: Int8Array;
  readonly #sequence: Int32Array[];

  constructor(lib: Library, tokens: number) {
    this.#lib = lib;
    this.struct = lib.batchInit(tokens, 0, 1);
    const ints = (pointer: bigint | null) => new Int32Array(koffi.view(pointer, tokens * 4));
    this.#token = ints(this.struct.token);
    this.#position = ints(this.struct.pos);
    this.#logits = new Int8Array(koffi.view(this.struct.logits, tokens));
    ints(this.struct.n_seq_id).fill(1);
    const pointers = new BigUint64Array(koffi.view(this.struct.seq_id, tokens * 8));
    this.#sequence = Array.from(pointers, (pointer) => new Int32Array(koffi.view(pointer, 4)));
  }

  add(token: number, position: number, sequence: number, wantsLogits: boolean): number {
    const i = this.struct.n_tokens;
    if (i >= this.#token.length) throw new Error(`a step holds ${this.#token.length} tokens`); // libllama would assert
    this.#token[i] = token;
    this.#position[i] = position;
    this.#sequence[i]![0] = sequence;
    this.#logits[i] = wantsLogits ? 1 : 0;
    this.struct.n_tokens = i + 1;
    return i;
  }

  clear(): void {
    this.struct.n_tokens = 0;
  }

  free(): void {
    this.#lib.batchFree(this.struct);
  }
}
