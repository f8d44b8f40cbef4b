/**
 * Answers of GET /v1/models and /v1/models/{id}. Beside OpenAI's four fields stand the names under which vLLM, LM Studio and
 * llama.cpp tell the context, so that every client finds it. Never a path of the file system.
 */
import type { Model } from "openai/resources/models";
import type { Capability, ModelState, ModelStatus, Serving } from "../../contract/model.ts";

export interface WireModel extends Model {
  /** Tokens one request may use here; the two below are the same number. */
  context_length: number;
  max_model_len: number;
  max_context_length: number;
  meta: { n_ctx: number; n_ctx_train: number; n_params: number; size: number } & Partial<WireServing>;
  /** Bytes. */
  size: number;
  quantization: string;
  family: string;
  architecture: string;
  loaded: boolean;
  status: { value: ModelState };
  /** As vLLM tells a LoRA adapter: the model that it changes. */
  parent?: string;
  capabilities: Capability[];
  /** The other names it answers to. */
  aliases: string[];
  /** As LM Studio tells them apart. */
  type: "llm" | "embeddings";
  /** The well-known prompt format of its own chat template; null: it has none. */
  chat_template: string | null;
  license?: string;
  /** "sha256:…", where it is known without reading the file. */
  digest?: string;
}

/** How a loaded model is served. Counts in tokens, times in milliseconds. */
export interface WireServing {
  n_slots: number;
  n_threads: number;
  n_batch: number;
  step_ms: number;
  kv_type: Serving["kvType"];
  kv_unified: boolean;
  /** Of all slots together. */
  kv_cells: number;
  kv_store_tokens: number;
  flash_attention: Serving["flashAttention"];
  /** Absent: all of it is on the processor. */
  devices?: readonly string[];
  n_gpu_layers?: number;
  n_cpu_moe?: number;
}

/** @param adapter The model is meant with this one of its LoRA adapters. */
export function encodeModel({ info, state, servedContext, serving }: ModelStatus, adapter?: string): WireModel {
  return {
    id: adapter === undefined ? info.id : `${info.id}+${adapter}`,
    ...(adapter !== undefined && { parent: info.id }),
    object: "model",
    // The file's own time: clients take a value that changes with each call for a new model.
    created: Math.floor(info.modifiedMs / 1000),
    owned_by: "shimmy",
    context_length: servedContext,
    max_model_len: servedContext,
    max_context_length: servedContext,
    meta: {
      n_ctx: servedContext,
      n_ctx_train: info.contextLength,
      n_params: info.parameters,
      size: info.sizeBytes,
      ...(serving && encodeServing(serving)),
    },
    size: info.sizeBytes,
    quantization: info.quantization,
    family: info.family,
    architecture: info.architecture,
    loaded: state === "loaded",
    status: { value: state },
    capabilities: [...(info.capabilities ?? [])],
    aliases: adapter === undefined ? [...(info.aliases ?? [])] : [],
    type: info.generative ? "llm" : "embeddings",
    chat_template: info.chatTemplate === undefined ? null : (info.templateFormat ?? "other"),
    ...(info.license !== undefined && { license: info.license }),
    ...(info.digest !== undefined && { digest: info.digest }),
  };
}

function encodeServing(serving: Serving): WireServing {
  return {
    n_slots: serving.slots,
    n_threads: serving.threads,
    n_batch: serving.batchTokens,
    step_ms: serving.stepMs,
    kv_type: serving.kvType,
    kv_unified: serving.kvUnified,
    kv_cells: serving.kvCells,
    kv_store_tokens: serving.storeTokens,
    flash_attention: serving.flashAttention,
    ...(serving.placement && {
      devices: serving.placement.devices,
      n_gpu_layers: serving.placement.gpuLayers,
      n_cpu_moe: serving.placement.cpuMoeLayers,
    }),
  };
}

/** The models, and after each an entry for every adapter that it can be asked for with. */
export function encodeModels(models: readonly ModelStatus[]): { object: "list"; data: WireModel[] } {
  const data = models.flatMap((status) => [undefined, ...(status.adapters ?? [])].map((adapter) => encodeModel(status, adapter)));
  return { object: "list", data };
}
