/** What is known of a model without loading it, and whether it is loaded. Plain data. */
import type { SamplingParams } from "./generation.ts";
import type { Placement } from "./hardware.ts";
import type { LoadProgress } from "./lifecycle.ts";

export type ModelState = "unloaded" | "loading" | "loaded" | "failed";

/** What a model can be asked for. How each is found out: models/capabilities.ts. */
export type Capability = "completion" | "chat" | "tools" | "thinking" | "fill-in-the-middle" | "embedding" | "reranking";

export interface ModelInfo {
  /** Stable, readable, unique in the catalogue: what a caller writes. */
  readonly id: string;
  /**
   * Other names that answer to it: further tags of an Ollama model, "owner/repository:Q4_K_M" of a hub (no two models have one of these),
   * and aliases that were configured or saved.
   */
  readonly aliases?: readonly string[];
  /** Absolute path of the (first) file. Never told over HTTP. */
  readonly path: string;
  /** Where it was found, for people: "embedded", "given file", a folder's name, or a store: "ollama", "lm-studio" … Never a path. */
  readonly source: string;
  /** Bytes of all its files. */
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** `general.architecture`: llama, qwen3, bert … */
  readonly architecture: string;
  /** For fallback: qwen, llama, gemma … from name and architecture. */
  readonly family: string;
  /** From the file's metadata or its tensors. */
  readonly parameters: number;
  /** "Q4_K_M", "Q8_0", "F16" … */
  readonly quantization: string;
  /** Context length of training, in tokens. */
  readonly contextLength: number;
  readonly chatTemplate?: string;
  /** The well-known prompt format that the template prints: "chatml", "llama3" …; "other". */
  readonly templateFormat?: string;
  /** Absent: not examined. */
  readonly capabilities?: readonly Capability[];
  /** False for encoders (BERT and kin), which cannot generate. */
  readonly generative: boolean;
  /** Bytes of KV cache a token needs with F16 keys and values. */
  readonly kvBytesPerToken: number;
  /** Whether keys and values can be Q8_0: the width of its attention heads is a multiple of 32. Absent: unknown. */
  readonly kvQuantizes?: boolean;
  readonly license?: string;
  /** "sha256:" and 64 hexadecimal digits, where the store's own file name tells it. Nobody has compared it with the content yet. */
  readonly digest?: string;
  /** How its authors want it to be sampled: `general.sampling.*` of the file; and the keys whose values are out of range, so do not count. */
  readonly sampling?: Partial<SamplingParams>;
  readonly ignoredSampling?: readonly string[];
  /** What its store keeps beside the weights. */
  readonly defaults?: ModelDefaults;
}

/** What a store says of how a model is meant to be used (layers of an Ollama manifest). */
export interface ModelDefaults {
  /**
   * A Go template of Ollama, kept for those who ask what it is. It cannot be run here: prompts are rendered with the Jinja template
   * of the GGUF file (`chatTemplate`).
   */
  readonly template?: string;
  /** System message where a conversation has none. */
  readonly system?: string;
  /** By Ollama's names: temperature, top_k, num_ctx, stop … */
  readonly parameters?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** Absolute paths of LoRA adapters that belong to the model. Never told over HTTP. */
  readonly adapters?: readonly string[];
  /** Absolute paths of vision or audio projectors. Never told over HTTP. */
  readonly projectors?: readonly string[];
}

/** A LoRA file: no model by itself, but a change to one. */
export interface AdapterInfo {
  /** Unique among the adapters of the catalogue. */
  readonly name: string;
  /** Absolute path. Never told over HTTP. */
  readonly path: string;
  readonly source: string;
  readonly sizeBytes: number;
  /** `general.architecture`: that of the model it was trained on. */
  readonly architecture: string;
  /** The model it was trained on, as its metadata (`general.base_model.0.*`) names it. */
  readonly baseModel?: string;
  /** Ids of the listed models that it fits, best first, and how that is known. Empty: none is here. */
  readonly bases: readonly string[];
  readonly pairedBy?: "manifest" | "metadata" | "name";
}

/** A LoRA adapter with which a model is asked for: `model+name`. */
export interface ServedAdapter {
  readonly name: string;
  /** Absolute. Never told over HTTP. */
  readonly path: string;
  /** What its change is multiplied by. */
  readonly scale: number;
  /** Size and time of the file: if it differs, it is another adapter. */
  readonly identity: string;
  /** The model's store says that it belongs to it, so that the model's own id means both. */
  readonly implied?: true;
}

/** A model as the running server sees it. */
export interface ModelStatus {
  readonly info: ModelInfo;
  readonly state: ModelState;
  /** The context one request may use, in tokens: as served when loaded, else as planned. */
  readonly servedContext: number;
  /** When loaded. */
  readonly serving?: Serving;
  /** While loading. */
  readonly progress?: LoadProgress;
  /** Names of the LoRA adapters that it can be asked for with. */
  readonly adapters?: readonly string[];
}

/** Type of the elements of a KV cache. */
export type KvType = "f16" | "q8_0";

/** How a loaded model is served: what was set, or chosen where nothing was. */
export interface Serving {
  /** Sequences that run at once. */
  readonly slots: number;
  /** KV cells in all, and whether the slots share them. */
  readonly kvCells: number;
  readonly kvUnified: boolean;
  readonly kvType: KvType;
  /** "auto": libllama decides by device. */
  readonly flashAttention: "auto" | "on" | "off";
  /** The most a step may use. */
  readonly threads: number;
  readonly batchTokens: number;
  /** How long a step should take while somebody reads, in milliseconds. */
  readonly stepMs: number;
  /** Tokens whose KV cells may be put aside in memory. */
  readonly storeTokens: number;
  /** Absent: all of it is on the processor. */
  readonly placement?: Placement;
}
