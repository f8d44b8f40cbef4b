/**
 * A LoRA file's header: what it changes, and whether it fits a model. Called by adapters.ts. What would make libllama abort or crash
 * (found by experiment on v0.4.0: metadata of another type, integers as weights, experts or embeddings of another shape) is refused here.
 * Format: convert_lora_to_gguf.py; source of the shapes: llama_adapter_lora_init_impl, build_lora_mm and build_inp_embd of llama.cpp.
 */
import { ShimmyError } from "../contract/errors.ts";
import { type GgufHeader, readGgufHeader } from "./gguf/header.ts";
import type { GgufTensor } from "./gguf/tensors.ts";
import { stringOf } from "./metadata.ts";
import { filesOf } from "./model-file.ts";

type Dims = readonly number[];

/** The change of a weight is B · A: A is inputs × rank, B is rank × outputs. */
interface Change {
  readonly a: Dims;
  readonly b: Dims;
}

export interface AdapterFile {
  readonly sizeBytes: number;
  readonly architecture: string;
  /** By the name of the model's tensor. */
  readonly changes: ReadonlyMap<string, Change>;
}

/** What must be known of a model to say whether an adapter fits. */
export interface BaseTensors {
  readonly architecture: string;
  readonly dims: ReadonlyMap<string, Dims>;
}

/** What the converter writes. libllama takes any type, and some crash it when they are multiplied. */
const WEIGHT_TYPES = new Set(["F32", "F16", "BF16", "Q8_0"]);
const EMBEDDING = "token_embd.weight";
const MAX_SHOWN = 80;

/** @throws model_file_missing, model_file_invalid with the reason. */
export async function readAdapterFile(path: string): Promise<AdapterFile> {
  const header = await readGgufHeader(path, { checksVocabulary: false });
  const reason = kindReason(header);
  if (reason) throw new ShimmyError("model_file_invalid", { path, reason });
  const found = changesOf(header.tensors);
  if (typeof found === "string") throw new ShimmyError("model_file_invalid", { path, reason: found });
  return { sizeBytes: header.fileBytes, architecture: stringOf(header, "general.architecture")!, changes: found };
}

/** @throws model_file_missing, model_file_invalid */
export async function readBaseTensors(path: string): Promise<BaseTensors> {
  const headers = await Promise.all(filesOf(path).map((file) => readGgufHeader(file, { checksVocabulary: false })));
  const tensors = headers.flatMap((header) => header.tensors);
  return {
    architecture: stringOf(headers[0]!, "general.architecture") ?? "",
    dims: new Map(tensors.map(({ name, dims }) => [name, dims])),
  };
}

/** @returns why the adapter cannot be used with the model, or undefined if it can. */
export function mismatch({ architecture, changes }: AdapterFile, base: BaseTensors): string | undefined {
  if (architecture !== base.architecture)
    return `it was made for the architecture '${shown(architecture)}', the model is '${base.architecture}'`;
  for (const [name, change] of changes) {
    const dims = base.dims.get(name);
    if (!dims) return `it changes '${shown(name)}', which the model does not have`;
    const reason = name === EMBEDDING ? embeddingReason(change, dims, base) : shapeReason(change, dims);
    if (reason) return `it changes '${shown(name)}' (${dims.join(" × ")}) ${reason}: it was made for another model`;
  }
  return undefined;
}

function kindReason(header: GgufHeader): string | undefined {
  const type = stringOf(header, "general.type");
  if (type !== "adapter")
    return type === undefined || type === "model" ? "a model, not a LoRA adapter" : "not a LoRA adapter (general.type)";
  if (stringOf(header, "adapter.type") !== "lora") return "an adapter, but not a LoRA adapter (adapter.type)";
  if (stringOf(header, "general.architecture") === undefined)
    return "general.architecture is missing: it does not say for which models it is";
  // Its type was checked by the reader.
  if (!Number.isFinite(header.metadata.get("adapter.lora.alpha") ?? 0)) return "adapter.lora.alpha is not finite";
  // It must be applied from certain tokens on only, which changes in the middle of a prompt.
  if (header.metadata.has("adapter.alora.invocation_tokens")) return "an activated LoRA (aLoRA), which is not supported";
  return undefined;
}

function changesOf(tensors: readonly GgufTensor[]): Map<string, Change> | string {
  const parts = new Map<string, Partial<Record<"a" | "b", Dims>>>();
  for (const { name, dims, type } of tensors) {
    const match = /^(.+)\.lora_([ab])$/.exec(name);
    // libllama passes over changed norms too: adapters work without.
    if (!match && name.endsWith("_norm.weight")) continue;
    if (!match) return `tensor '${shown(name)}' is neither .lora_a nor .lora_b`;
    if (!WEIGHT_TYPES.has(type.name)) return `tensor '${shown(name)}' is ${type.name}, not one of ${[...WEIGHT_TYPES].join(", ")}`;
    const [, target, part] = match;
    parts.set(target!, { ...parts.get(target!), [part as "a" | "b"]: dims });
  }
  const changes = new Map<string, Change>();
  for (const [name, { a, b }] of parts) {
    if (!a || !b) return `'${shown(name)}' has only one of .lora_a and .lora_b`;
    changes.set(name, { a, b });
  }
  return changes.size > 0 ? changes : "it changes nothing: it holds no LoRA tensors";
}

function shapeReason({ a, b }: Change, base: Dims): string | undefined {
  if (at(a, 0) !== at(base, 0) || at(b, 1) !== at(base, 1)) return `as if it were ${at(a, 0)} × ${at(b, 1)}`;
  if (at(a, 1) !== at(b, 0)) return `with the ranks ${at(a, 1)} and ${at(b, 0)}`;
  // A matrix for each expert.
  const others = [2, 3].some((i) => at(a, i) !== at(base, i) || at(b, i) !== at(base, i));
  return others ? `with ${at(a, 2)} and ${at(b, 2)} matrices` : undefined;
}

/** Rows of A are looked up, not multiplied, so it lies the other way round. */
function embeddingReason({ a, b }: Change, base: Dims, { dims }: BaseTensors): string | undefined {
  if (at(b, 1) !== at(base, 0) || at(a, 1) !== at(base, 1)) return `as if it were ${at(b, 1)} × ${at(a, 1)}`;
  if (at(a, 0) !== at(b, 0)) return `with the ranks ${at(a, 0)} and ${at(b, 0)}`;
  if ([...a.slice(2), ...b.slice(2)].some((dim) => dim !== 1)) return "with more than one matrix";
  // libllama would apply the same pair to the output, where it does not fit.
  return dims.has("output.weight") ? undefined : "though the model uses the same weights for its output, which libllama cannot do";
}

function at(dims: Dims, index: number): number {
  return dims[index] ?? 1;
}

/** Names come from the file. */
function shown(text: string): string {
  return text.slice(0, MAX_SHOWN);
}
