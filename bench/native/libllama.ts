/**
 * The few functions of libllama that the bare loop and the quantiser need, straight through koffi. For bench/ only, on purpose apart from
 * src/llama/: the limit that the server is measured against must not share its code. Declarations: ../shared/design/engine.md, llama.h v0.4.0.
 */
import { readdirSync } from "node:fs";
import koffi from "koffi";

/** An address, or null. */
export type Pointer = bigint | null;

export interface Batch {
  n_tokens: number;
  readonly token: Pointer;
  readonly embd: Pointer;
  readonly pos: Pointer;
  readonly n_seq_id: Pointer;
  readonly seq_id: Pointer;
  readonly logits: Pointer;
}

type Params = Readonly<Record<string, unknown>>;

export interface Llama {
  readonly version: () => string;
  readonly modelDefaults: () => Params;
  readonly contextDefaults: () => Params;
  readonly quantizeDefaults: () => Params;
  readonly loadModel: (path: string, params: Params) => Pointer;
  readonly freeModel: (model: Pointer) => void;
  readonly newContext: (model: Pointer, params: Params) => Pointer;
  readonly freeContext: (context: Pointer) => void;
  readonly vocab: (model: Pointer) => Pointer;
  readonly tokenize: (v: Pointer, text: Buffer, bytes: number, out: Int32Array, max: number, special: boolean, parse: boolean) => number;
  readonly newBatch: (tokens: number, embd: number, sequences: number) => Batch;
  readonly decode: (context: Pointer, batch: Batch) => number;
  readonly memory: (context: Pointer) => Pointer;
  readonly removeCells: (memory: Pointer, sequence: number, from: number, to: number) => boolean;
  readonly newChain: (params: { no_perf: boolean }) => Pointer;
  readonly addToChain: (chain: Pointer, sampler: Pointer) => void;
  readonly greedy: () => Pointer;
  readonly freeSampler: (sampler: Pointer) => void;
  readonly sample: (chain: Pointer, context: Pointer, index: number) => number;
  readonly quantize: (from: string, to: string, params: Params) => number;
}

/** Loads the library of this platform's package and the CPU backend that ggml finds best. */
export function openLlama(root: string): Llama {
  const platform = `${process.platform}-${process.arch}`;
  const folder = `${root}/node_modules/@node-llama-cpp/${platform}/bins/${platform}`;
  koffi.config({ sync_stack_size: 16 << 20 });
  declareStructs();
  const llama = koffi.load(`${folder}/${find(folder, /^libllama\.v.*\.so$/)}`);
  const ggml = koffi.load(`${folder}/${find(folder, /^libggml\.v.*\.so$/)}`);
  // Any harmless C function silences the log without a callback into JavaScript.
  llama.func("void llama_log_set(void* callback, void* data)")(llama.symbol("llama_time_us"), null);
  ggml.func("void ggml_backend_load_all_from_path(const char* folder)")(folder);
  const declare = <F>(definition: string): F => llama.func(definition) as unknown as F;
  return {
    version: declare("const char* llama_version()"),
    modelDefaults: declare("model_params llama_model_default_params()"),
    contextDefaults: declare("context_params llama_context_default_params()"),
    quantizeDefaults: declare("quantize_params llama_model_quantize_default_params()"),
    loadModel: declare("void* llama_model_load_from_file(const char* path, model_params params)"),
    freeModel: declare("void llama_model_free(void* model)"),
    newContext: declare("void* llama_init_from_model(void* model, context_params params)"),
    freeContext: declare("void llama_free(void* context)"),
    vocab: declare("void* llama_model_get_vocab(void* model)"),
    tokenize: declare("int llama_tokenize(void* vocab, const void* text, int bytes, void* out, int max, bool special, bool parse)"),
    newBatch: declare("batch llama_batch_init(int tokens, int embd, int sequences)"),
    decode: declare("int llama_decode(void* context, batch b)"),
    memory: declare("void* llama_get_memory(void* context)"),
    removeCells: declare("bool llama_memory_seq_rm(void* memory, int sequence, int from, int to)"),
    newChain: declare("void* llama_sampler_chain_init(chain_params params)"),
    addToChain: declare("void llama_sampler_chain_add(void* chain, void* sampler)"),
    greedy: declare("void* llama_sampler_init_greedy()"),
    freeSampler: declare("void llama_sampler_free(void* sampler)"),
    sample: declare("int llama_sampler_sample(void* chain, void* context, int index)"),
    quantize: declare("uint32 llama_model_quantize(const char* from, const char* to, const quantize_params* params)"),
  };
}

/** A typed window on memory that libllama owns. */
export function int32View(address: Pointer, count: number): Int32Array {
  return new Int32Array(koffi.view(address, count * 4));
}

export function int8View(address: Pointer, count: number): Int8Array {
  return new Int8Array(koffi.view(address, count));
}

export function pointerView(address: Pointer, count: number): BigUint64Array {
  return new BigUint64Array(koffi.view(address, count * 8));
}

function find(folder: string, pattern: RegExp): string {
  const name = readdirSync(folder).find((file) => pattern.test(file));
  if (name === undefined) throw new Error(`no ${pattern} in ${folder}: run npm ci`);
  return name;
}

/** Members in the order of llama.h v0.4.0, one C type a group; koffi fills what is missing with zero, so callers spread the defaults. */
function declareStructs(): void {
  koffi.struct("model_params", {
    ...all("void*", "devices tensor_buft_overrides"),
    ...all("int32", "n_gpu_layers split_mode load_mode lazy_mode main_gpu"),
    ...all("void*", "tensor_split progress_callback progress_callback_user_data kv_overrides"),
    ...all("bool", "vocab_only check_tensors use_extra_bufts no_host no_alloc load_mtp"),
  });
  koffi.struct("context_params", {
    ...all("uint32", "n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max n_outputs_max_per_seq"),
    ...all("int32", "n_threads n_threads_batch ctx_type rope_scaling_type pooling_type attention_type flash_attn_type"),
    ...all("float", "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor yarn_beta_fast yarn_beta_slow"),
    yarn_orig_ctx: "uint32",
    defrag_thold: "float",
    ...all("void*", "cb_eval cb_eval_user_data"),
    ...all("int32", "type_k type_v"),
    ...all("void*", "abort_callback abort_callback_data"),
    ...all("bool", "embeddings offload_kqv no_perf op_offload swa_full kv_unified"),
    samplers: "void*",
    n_samplers: "size_t",
    ctx_other: "void*",
  });
  koffi.struct("quantize_params", {
    ...all("int32", "nthread ftype output_tensor_type token_embedding_type"),
    ...all("bool", "allow_requantize quantize_output_tensor only_copy pure keep_split dry_run"),
    ...all("void*", "imatrix kv_overrides tt_overrides prune_layers"),
    max_buf_size: "size_t",
  });
  koffi.struct("batch", { n_tokens: "int32", ...all("void*", "token embd pos n_seq_id seq_id logits") });
  koffi.struct("chain_params", { no_perf: "bool" });
}

function all(type: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, type]));
}
