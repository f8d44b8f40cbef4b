/**
 * The C structs of llama.h that we pass, member for member, and the default values they must have.
 * Source: llama.h and ggml-backend.h of llama.cpp v0.4.0 (in the tarball of node-llama-cpp@3.21.1); sizes were compared
 * with a C compiler. koffi zero-fills a missing member and ignores a mistyped one, so `withDefaults` refuses unknown names.
 * Called by library.ts; it must not know what the values mean to a request.
 */
import koffi from "koffi";

export const LLAMA_VERSION = "0.4.0-dev";

const modelParams = {
  devices: "void*",
  tensor_buft_overrides: "void*",
  n_gpu_layers: "int32",
  split_mode: "int32",
  load_mode: "int32",
  lazy_mode: "int32",
  main_gpu: "int32",
  tensor_split: "void*",
  progress_callback: "void*",
  progress_callback_user_data: "void*",
  kv_overrides: "void*",
  vocab_only: "bool",
  check_tensors: "bool",
  use_extra_bufts: "bool",
  no_host: "bool",
  no_alloc: "bool",
  load_mtp: "bool",
} as const;

const contextParams = {
  n_ctx: "uint32",
  n_batch: "uint32",
  n_ubatch: "uint32",
  n_seq_max: "uint32",
  n_rs_seq: "uint32",
  n_outputs_max: "uint32",
  n_outputs_max_per_seq: "uint32",
  n_threads: "int32",
  n_threads_batch: "int32",
  ctx_type: "int32",
  rope_scaling_type: "int32",
  pooling_type: "int32",
  attention_type: "int32",
  flash_attn_type: "int32",
  rope_freq_base: "float",
  rope_freq_scale: "float",
  yarn_ext_factor: "float",
  yarn_attn_factor: "float",
  yarn_beta_fast: "float",
  yarn_beta_slow: "float",
  yarn_orig_ctx: "uint32",
  defrag_thold: "float",
  cb_eval: "void*",
  cb_eval_user_data: "void*",
  type_k: "int32",
  type_v: "int32",
  abort_callback: "void*",
  abort_callback_data: "void*",
  embeddings: "bool",
  offload_kqv: "bool",
  no_perf: "bool",
  op_offload: "bool",
  swa_full: "bool",
  kv_unified: "bool",
  samplers: "void*",
  n_samplers: "size_t",
  ctx_other: "void*",
} as const;

const batch = {
  n_tokens: "int32",
  token: "void*",
  embd: "void*",
  pos: "void*",
  n_seq_id: "void*",
  seq_id: "void*",
  logits: "void*",
} as const;

type Member<T extends string> = T extends "bool" ? boolean : T extends "void*" ? bigint | null : number;
type Record_<T extends Record<string, string>> = { -readonly [K in keyof T]: Member<T[K]> };

export type ModelParams = Record_<typeof modelParams>;
export type ContextParams = Record_<typeof contextParams>;
export type BatchStruct = Record_<typeof batch>;

/** Registers the structs with koffi under the names that the prototypes of library.ts use. Once a process. */
export function declareStructs(): void {
  koffi.struct("llama_model_params", modelParams);
  koffi.struct("llama_context_params", contextParams);
  koffi.struct("llama_batch", batch);
  koffi.struct("llama_sampler_chain_params", { no_perf: "bool" });
}

/**
 * What `llama_model_default_params()` and `llama_context_default_params()` return in this version; everything not named
 * is 0, false or null. A field that moved or changed its type shows here before it can corrupt memory.
 */
const FINGERPRINT_MODEL: Partial<ModelParams> = { n_gpu_layers: -1, split_mode: 1, load_mode: -1, lazy_mode: 1, use_extra_bufts: true };
const FINGERPRINT_CONTEXT: Partial<ContextParams> = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_outputs_max_per_seq: 1,
  n_threads: 4,
  n_threads_batch: 4,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  yarn_ext_factor: -1,
  yarn_attn_factor: -1,
  yarn_beta_fast: -1,
  yarn_beta_slow: -1,
  defrag_thold: -1,
  type_k: 1,
  type_v: 1,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
};

/** The first difference between the defaults of the library and those this file was written for, or undefined. */
export function fingerprintMismatch(version: string, model: ModelParams, context: ContextParams): string | undefined {
  if (version !== LLAMA_VERSION) return `its version is ${version}, not ${LLAMA_VERSION}`;
  return (
    difference("llama_model_params", Object.keys(modelParams), model, FINGERPRINT_MODEL) ??
    difference("llama_context_params", Object.keys(contextParams), context, FINGERPRINT_CONTEXT)
  );
}

function difference(struct: string, names: string[], actual: object, expected: object): string | undefined {
  const values = actual as Record<string, unknown>;
  const wanted = expected as Record<string, unknown>;
  for (const name of names) {
    // 0, false and null are one thing here: the member was left zero.
    if ((values[name] || 0) !== (wanted[name] || 0)) return `${struct}.${name} is ${values[name]}, not ${wanted[name] ?? 0}`;
  }
  return undefined;
}

/** `defaults` with `changes` on top. @throws on a name that the struct does not have, which koffi would ignore. */
export function withDefaults<T extends object>(defaults: T, changes: Partial<T>): T {
  for (const name of Object.keys(changes)) if (!(name in defaults)) throw new Error(`no member ${name} in this struct`);
  return { ...defaults, ...changes };
}
