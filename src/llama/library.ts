/**
 * Opens libllama from the platform package and declares the functions we call, typed. The only way into native code.
 * Called by model.ts, context.ts, sampler.ts in the engine process; the gateway never loads this file.
 * Layouts, costs and traps: docs/engine notes in docs/architecture.md; the version is pinned (docs/updating-llama-cpp.md).
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { LibraryHandle } from "koffi";
import { ShimmyError } from "../contract/errors.ts";
import { declareDevices } from "./devices.ts";
import { koffi } from "./native.ts";
import { type BatchStruct, type ContextParams, declareStructs, fingerprintMismatch, type ModelParams } from "./structs.ts";

/** Pointers carry no type in C or koffi; these keep a context from being passed where a model is meant. */
export type ModelPointer = bigint & { readonly pointsTo?: "llama_model" };
export type VocabPointer = bigint & { readonly pointsTo?: "llama_vocab" };
export type AdapterPointer = bigint & { readonly pointsTo?: "llama_adapter_lora" };
export type ContextPointer = bigint & { readonly pointsTo?: "llama_context" };
export type MemoryPointer = bigint & { readonly pointsTo?: "llama_memory" };
export type SamplerPointer = bigint & { readonly pointsTo?: "llama_sampler" };
export type CandidatesPointer = bigint & { readonly pointsTo?: "llama_token_data_array" };
export type ThreadpoolPointer = bigint & { readonly pointsTo?: "ggml_threadpool" };

export type Library = ReturnType<typeof openLibrary>;

let opened: Library | undefined;

/**
 * The library, opened once a process: in the folder that the first call names, else in the platform package. `fallbackFolder` holds the
 * same GPU backend for older drivers; it is tried when the folder's own finds no GPU.
 * @throws engine_unavailable with the reason. A driver that crashes ends the process.
 */
export function library(folder?: string, fallbackFolder?: string): Library {
  opened ??= openLibrary(folder ?? libraryFolder(), fallbackFolder);
  return opened;
}

/** The npm platform package that fits this machine; those for GPUs are found by the gateway (hardware/engines.ts). */
function platformPackage(): string {
  const { platform, arch } = process;
  if (platform === "darwin") return arch === "arm64" ? "mac-arm64-metal" : "mac-x64";
  return `${platform === "win32" ? "win" : platform}-${arch}`;
}

/** @returns absolute path of the folder that holds libllama and the ggml backends. */
export function libraryFolder(): string {
  const name = platformPackage();
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(`@node-llama-cpp/${name}`);
  } catch (cause) {
    throw new ShimmyError("engine_unavailable", { reason: `the package @node-llama-cpp/${name} is not installed` }, { cause });
  }
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const bins = join(folder, "bins", name);
    if (existsSync(bins)) return bins;
  }
  throw new ShimmyError("engine_unavailable", { reason: `@node-llama-cpp/${name} holds no bins/${name}` });
}

/** File names carry version and backend (libllama.v0.4.0.so, libllama.vulkan.v0.4.0.so), so they are found, not spelled. */
function libraryFile(folder: string, name: string): string {
  const pattern = new RegExp(`^(lib)?${name}(\\.[a-z]+)?(\\.v[\\d.]+)?\\.(so|dylib|dll)$`);
  const file = existsSync(folder) ? readdirSync(folder).find((entry) => pattern.test(entry)) : undefined;
  if (!file) throw new ShimmyError("engine_unavailable", { reason: `there is no ${name} library in the engine's folder` });
  return join(folder, file);
}

function openLibrary(folder: string, fallbackFolder: string | undefined) {
  declareStructs();
  let llama: LibraryHandle;
  let ggml: LibraryHandle;
  let base: LibraryHandle;
  try {
    llama = koffi.load(libraryFile(folder, "llama"));
    ggml = koffi.load(libraryFile(folder, "ggml"));
    base = koffi.load(libraryFile(folder, "ggml-base"));
  } catch (cause) {
    if (cause instanceof ShimmyError) throw cause;
    throw new ShimmyError("engine_unavailable", { reason: String((cause as Error).message) }, { cause });
  }
  // libllama prints a thousand lines a load; a harmless C function swallows them. Asserts go to stderr all the same.
  const harmlessFunction = llama.symbol("llama_time_us") as bigint;
  llama.func("void llama_log_set(void* callback, void* data)")(harmlessFunction, null);
  // Picks the one best CPU variant of this machine, and every GPU backend whose driver is there.
  const loadBackends = ggml.func("void ggml_backend_load_all_from_path(const char* folder)");
  loadBackends(folder);
  const devices = declareDevices(ggml, base);
  if (fallbackFolder !== undefined && !devices.list().some(({ kind }) => kind === "gpu" || kind === "integrated"))
    loadBackends(fallbackFolder);

  const functions = declareFunctions(llama);
  const mismatch = fingerprintMismatch(functions.version(), functions.modelDefaultParams(), functions.contextDefaultParams());
  if (mismatch)
    throw new ShimmyError("engine_unavailable", { reason: `this libllama is not the one this build was made for: ${mismatch}` });
  if (devices.list().length === 0)
    throw new ShimmyError("engine_unavailable", { reason: "none of its ggml backends runs on this processor" });
  const cpuBufferType = base.func("void* ggml_backend_cpu_buffer_type()") as unknown as () => bigint;
  return {
    ...functions,
    ...declareThreadpool(ggml, base),
    devices,
    folder,
    fallbackFolder,
    cpuBufferType,
    /** Does nothing. */ harmlessFunction,
  };
}

/** What ggml.h calls GGML_BACKEND_DEVICE_TYPE_CPU. */
const DEVICE_TYPE_CPU = 0;

/** The thread pool belongs to the CPU variant that was loaded, so its functions are asked for by name at run time. */
function declareThreadpool(ggml: LibraryHandle, base: LibraryHandle) {
  const device = ggml.func("void* ggml_backend_dev_by_type(int type)")(DEVICE_TYPE_CPU);
  const registry = base.func("void* ggml_backend_dev_backend_reg(void* device)")(device);
  const address = base.func("void* ggml_backend_reg_get_proc_address(void* registry, const char* name)");
  const f = <T extends (...args: never[]) => unknown>(name: string, prototype: string): T =>
    koffi.decode(address(registry, name), koffi.proto(prototype)) as unknown as T;
  return {
    threadpoolParamsInit: base.func("void ggml_threadpool_params_init(void* params, int threads)") as (
      params: Buffer,
      threads: number,
    ) => void,
    threadpoolNew: f<(params: Buffer) => ThreadpoolPointer | null>("ggml_threadpool_new", "void* shimmy_threadpool_new(void* params)"),
    threadpoolFree: f<(pool: ThreadpoolPointer) => void>("ggml_threadpool_free", "void shimmy_threadpool_free(void* pool)"),
  };
}

/** koffi functions are untyped; each line states the C prototype and its TypeScript twin side by side. */
function declareFunctions(llama: LibraryHandle) {
  const f = <T extends (...args: never[]) => unknown>(prototype: string): T => llama.func(prototype) as unknown as T;
  const aside = <T extends (...args: never[]) => unknown>(prototype: string): T => llama.func(prototype).async as unknown as T;
  return {
    version: f<() => string>("const char* llama_version()"),
    systemInfo: f<() => string>("const char* llama_print_system_info()"),
    modelDefaultParams: f<() => ModelParams>("llama_model_params llama_model_default_params()"),
    contextDefaultParams: f<() => ContextParams>("llama_context_params llama_context_default_params()"),

    modelLoad: f<(path: string, p: ModelParams) => ModelPointer | null>(
      "void* llama_model_load_from_file(const char* path, llama_model_params p)",
    ),
    modelFree: f<(m: ModelPointer) => void>("void llama_model_free(void* m)"),
    modelVocab: f<(m: ModelPointer) => VocabPointer>("void* llama_model_get_vocab(void* m)"),
    modelContextTrain: f<(m: ModelPointer) => number>("int llama_model_n_ctx_train(void* m)"),
    modelHasEncoder: f<(m: ModelPointer) => boolean>("bool llama_model_has_encoder(void* m)"),
    modelEmbedding: f<(m: ModelPointer) => number>("int llama_model_n_embd(void* m)"),
    /** Of a vector of the output; wider than the above in few models. */
    modelVectorWidth: f<(m: ModelPointer) => number>("int llama_model_n_embd_out(void* m)"),
    /** Its length; −1: absent, or an array. */
    modelMetaText: f<(m: ModelPointer, key: string, out: Buffer, bytes: number) => number>(
      "int llama_model_meta_val_str(void* m, const char* key, void* out, size_t bytes)",
    ),
    modelTemplate: f<(m: ModelPointer, name: string) => string | null>("const char* llama_model_chat_template(void* m, const char* name)"),
    modelHeads: f<(m: ModelPointer) => number>("int llama_model_n_head(void* m)"),
    modelIsRecurrent: f<(m: ModelPointer) => boolean>("bool llama_model_is_recurrent(void* m)"),
    modelIsHybrid: f<(m: ModelPointer) => boolean>("bool llama_model_is_hybrid(void* m)"),
    modelHasDecoder: f<(m: ModelPointer) => boolean>("bool llama_model_has_decoder(void* m)"),

    vocabSize: f<(v: VocabPointer) => number>("int llama_vocab_n_tokens(void* v)"),
    vocabBos: f<(v: VocabPointer) => number>("int llama_vocab_bos(void* v)"),
    vocabEos: f<(v: VocabPointer) => number>("int llama_vocab_eos(void* v)"),
    vocabSep: f<(v: VocabPointer) => number>("int llama_vocab_sep(void* v)"),
    vocabAddBos: f<(v: VocabPointer) => boolean>("bool llama_vocab_get_add_bos(void* v)"),
    vocabFimPrefix: f<(v: VocabPointer) => number>("int llama_vocab_fim_pre(void* v)"),
    vocabFimSuffix: f<(v: VocabPointer) => number>("int llama_vocab_fim_suf(void* v)"),
    vocabFimMiddle: f<(v: VocabPointer) => number>("int llama_vocab_fim_mid(void* v)"),
    vocabFimRepository: f<(v: VocabPointer) => number>("int llama_vocab_fim_rep(void* v)"),
    vocabFimSeparator: f<(v: VocabPointer) => number>("int llama_vocab_fim_sep(void* v)"),
    vocabAddEos: f<(v: VocabPointer) => boolean>("bool llama_vocab_get_add_eos(void* v)"),
    vocabAddSep: f<(v: VocabPointer) => boolean>("bool llama_vocab_get_add_sep(void* v)"),
    vocabIsEog: f<(v: VocabPointer, token: number) => boolean>("bool llama_vocab_is_eog(void* v, int token)"),
    vocabAttributes: f<(v: VocabPointer, token: number) => number>("int llama_vocab_get_attr(void* v, int token)"),
    tokenize: f<
      (v: VocabPointer, text: Buffer, bytes: number, out: Int32Array, max: number, addSpecial: boolean, parseSpecial: boolean) => number
    >("int llama_tokenize(void* v, const void* text, int bytes, void* out, int max, bool add_special, bool parse_special)"),
    tokenToPiece: f<(v: VocabPointer, token: number, out: Buffer, max: number, lstrip: number, special: boolean) => number>(
      "int llama_token_to_piece(void* v, int token, void* out, int max, int lstrip, bool special)",
    ),

    /** Null: not a LoRA file, or not one for this model. It is the model's: it lives as long as that. */
    adapterInit: f<(m: ModelPointer, path: string) => AdapterPointer | null>("void* llama_adapter_lora_init(void* m, const char* path)"),
    /** Instead of those that were set before; n = 0: none. The next decode builds its graph anew if they differ. */
    setAdapters: f<(c: ContextPointer, adapters: BigUint64Array, n: number, scales: Float32Array) => number>(
      "int llama_set_adapters_lora(void* c, void* adapters, size_t n, void* scales)",
    ),

    contextInit: f<(m: ModelPointer, p: ContextParams) => ContextPointer | null>(
      "void* llama_init_from_model(void* m, llama_context_params p)",
    ),
    contextFree: f<(c: ContextPointer) => void>("void llama_free(void* c)"),
    contextSize: f<(c: ContextPointer) => number>("uint32 llama_n_ctx(void* c)"),
    contextSizePerSequence: f<(c: ContextPointer) => number>("uint32 llama_n_ctx_seq(void* c)"),
    contextBatch: f<(c: ContextPointer) => number>("uint32 llama_n_batch(void* c)"),
    contextSequences: f<(c: ContextPointer) => number>("uint32 llama_n_seq_max(void* c)"),
    setThreads: f<(c: ContextPointer, decode: number, prefill: number) => void>(
      "void llama_set_n_threads(void* c, int decode, int prefill)",
    ),
    attachThreadpool: f<(c: ContextPointer, decode: ThreadpoolPointer, prefill: ThreadpoolPointer) => void>(
      "void llama_attach_threadpool(void* c, void* decode, void* prefill)",
    ),
    /** Null: the model has none, because it reads a text at once. */
    memory: f<(c: ContextPointer) => MemoryPointer>("void* llama_get_memory(void* c)"),
    memoryClear: f<(m: MemoryPointer, data: boolean) => void>("void llama_memory_clear(void* m, bool data)"),
    sequenceRemove: f<(m: MemoryPointer, sequence: number, from: number, to: number) => boolean>(
      "bool llama_memory_seq_rm(void* m, int sequence, int from, int to)",
    ),

    sequenceCopy: f<(m: MemoryPointer, source: number, target: number, from: number, to: number) => void>(
      "void llama_memory_seq_cp(void* m, int source, int target, int from, int to)",
    ),
    stateSize: f<(c: ContextPointer, sequence: number) => number>("size_t llama_state_seq_get_size(void* c, int sequence)"),
    stateGet: f<(c: ContextPointer, out: bigint, bytes: number, sequence: number) => number>(
      "size_t llama_state_seq_get_data(void* c, void* out, size_t bytes, int sequence)",
    ),
    /** 0: not usable here; the sequence is then empty. */
    stateSet: f<(c: ContextPointer, state: bigint | Buffer, bytes: number, sequence: number) => number>(
      "size_t llama_state_seq_set_data(void* c, const void* state, size_t bytes, int sequence)",
    ),

    batchInit: f<(tokens: number, embd: number, sequences: number) => BatchStruct>(
      "llama_batch llama_batch_init(int tokens, int embd, int sequences)",
    ),
    batchFree: f<(b: BatchStruct) => void>("void llama_batch_free(llama_batch b)"),
    decode: f<(c: ContextPointer, b: BatchStruct) => number>("int llama_decode(void* c, llama_batch b)"),
    /** Of all tokens of the last batch, in their order; pooling "none" only. */
    vectors: f<(c: ContextPointer) => bigint | null>("void* llama_get_embeddings(void* c)"),
    vectorOf: f<(c: ContextPointer, sequence: number) => bigint | null>("void* llama_get_embeddings_seq(void* c, int sequence)"),
    poolingType: f<(c: ContextPointer) => number>("int llama_pooling_type(void* c)"),
    logitsOf: f<(c: ContextPointer, index: number) => bigint | null>("void* llama_get_logits_ith(void* c, int index)"),

    samplerChain: f<(p: { no_perf: boolean }) => SamplerPointer>("void* llama_sampler_chain_init(llama_sampler_chain_params p)"),
    samplerChainAdd: f<(chain: SamplerPointer, s: SamplerPointer) => void>("void llama_sampler_chain_add(void* chain, void* s)"),
    samplerFree: f<(s: SamplerPointer) => void>("void llama_sampler_free(void* s)"),
    samplerAccept: f<(s: SamplerPointer, token: number) => void>("void llama_sampler_accept(void* s, int token)"),
    samplerApply: f<(s: SamplerPointer, candidates: CandidatesPointer) => void>("void llama_sampler_apply(void* s, void* candidates)"),
    samplerClone: f<(s: SamplerPointer) => SamplerPointer>("void* llama_sampler_clone(void* s)"),
    samplerSample: f<(s: SamplerPointer, c: ContextPointer, index: number) => number>(
      "int llama_sampler_sample(void* s, void* c, int index)",
    ),
    samplerGrammar: f<(v: VocabPointer, gbnf: string, root: string) => SamplerPointer | null>(
      "void* llama_sampler_init_grammar(void* vocab, const char* gbnf, const char* root)",
    ),
    /** The same in another thread; `done` is called in this one. */
    samplerGrammarAside: aside<
      (v: VocabPointer, gbnf: string, root: string, done: (error: unknown, s: SamplerPointer | null) => void) => void
    >("void* llama_sampler_init_grammar(void* vocab, const char* gbnf, const char* root)"),
    samplerGreedy: f<() => SamplerPointer>("void* llama_sampler_init_greedy()"),
    samplerDist: f<(seed: number) => SamplerPointer>("void* llama_sampler_init_dist(uint32 seed)"),
    samplerTopK: f<(k: number) => SamplerPointer>("void* llama_sampler_init_top_k(int k)"),
    samplerTopP: f<(p: number, minKeep: number) => SamplerPointer>("void* llama_sampler_init_top_p(float p, size_t min_keep)"),
    samplerMinP: f<(p: number, minKeep: number) => SamplerPointer>("void* llama_sampler_init_min_p(float p, size_t min_keep)"),
    samplerTypical: f<(p: number, minKeep: number) => SamplerPointer>("void* llama_sampler_init_typical(float p, size_t min_keep)"),
    samplerTemperature: f<(t: number) => SamplerPointer>("void* llama_sampler_init_temp(float t)"),
    samplerPenalties: f<(vocabSize: number, lastN: number, repeat: number, frequency: number, presence: number) => SamplerPointer>(
      "void* llama_sampler_init_penalties(int vocab_size, int last_n, float repeat, float frequency, float presence)",
    ),
    samplerMirostat: f<(vocabSize: number, seed: number, tau: number, eta: number, m: number) => SamplerPointer>(
      "void* llama_sampler_init_mirostat(int vocab_size, uint32 seed, float tau, float eta, int m)",
    ),
    samplerMirostatV2: f<(seed: number, tau: number, eta: number) => SamplerPointer>(
      "void* llama_sampler_init_mirostat_v2(uint32 seed, float tau, float eta)",
    ),
    /** `biases`: n records of {int32 token; float bias}. They are copied. */
    samplerLogitBias: f<(vocabSize: number, n: number, biases: Buffer) => SamplerPointer>(
      "void* llama_sampler_init_logit_bias(int vocab_size, int n, const void* biases)",
    ),
  };
}
