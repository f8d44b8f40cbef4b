/**
 * From a header to what the house knows of a model. Called by `model-file.ts`, after `acceptance.ts` said yes. Pure.
 */
import type { ModelInfo } from "../contract/model.ts";
import { generatesByDecoding, hasKvCache, isEncoder, readsTextOnly } from "./architectures.ts";
import { samplingOf } from "./author-sampling.ts";
import { capabilitiesOf, templateFormatOf } from "./capabilities.ts";
import { FILE_TYPES } from "./gguf/file-types.ts";
import type { GgufHeader } from "./gguf/header.ts";
import { integerOf, layerValuesOf, stringOf } from "./metadata.ts";
import { familyOf } from "./names.ts";

/** What follows from the files alone: all but the id and where it was found. */
export type ModelDescription = Omit<ModelInfo, "id" | "source">;

/** LLAMA_FTYPE_GUESSED: the name was worked out from the tensors, which is done here anyway. */
const GUESSED = 1024;
const F16_BYTES = 2;
/** Values of a block of Q8_0; libllama refuses a cache of it for heads that are no whole blocks. */
const Q8_0_BLOCK = 32;

/** @param headers the file, or all parts of a split one; the first carries the metadata. */
export function describeModel(path: string, headers: readonly [GgufHeader, ...GgufHeader[]]): ModelDescription {
  const [header] = headers;
  const architecture = stringOf(header, "general.architecture")!;
  const name = stringOf(header, "general.name") ?? stringOf(header, "general.basename") ?? "";
  const chatTemplate = stringOf(header, "tokenizer.chat_template");
  const license = stringOf(header, "general.license");
  const generative = isGenerative(header, architecture);
  return {
    path,
    sizeBytes: sum(headers.map(({ fileBytes }) => fileBytes)),
    modifiedMs: Math.max(...headers.map(({ modifiedMs }) => modifiedMs)),
    architecture,
    family: familyOf(`${name} ${path.replace(/^.*[\\/]/, "")}`) ?? familyOfArchitecture(architecture),
    parameters: sum(headers.flatMap(({ tensors }) => tensors.map(({ elements }) => elements))),
    quantization: quantizationOf(headers),
    contextLength: integerOf(header, `${architecture}.context_length`)!,
    ...(chatTemplate !== undefined && { chatTemplate, templateFormat: templateFormatOf(chatTemplate) }),
    capabilities: capabilitiesOf({
      generative,
      embeds: isEncoder(architecture) || (!generative && readsTextOnly(architecture)),
      pooling: poolingOf(header, architecture),
      ranks: headers.some(({ tensors }) => tensors.some(({ name }) => name === "cls.output.weight")),
      fillsMiddle: fillsMiddle(header),
      ...(chatTemplate !== undefined && { chatTemplate }),
    }),
    generative,
    kvBytesPerToken: kvBytesPerToken(header, architecture),
    kvQuantizes: kvQuantizes(header, architecture),
    ...(license !== undefined && { license }),
    ...samplingOf(header),
  };
}

/** Also false for embedders and rerankers made from decoders, which say so by their pooling. */
function isGenerative(header: GgufHeader, architecture: string): boolean {
  const causal = header.metadata.get(`${architecture}.attention.causal`) !== false;
  return generatesByDecoding(architecture) && causal && poolingOf(header, architecture) <= 0;
}

function poolingOf(header: GgufHeader, architecture: string): number {
  return integerOf(header, `${architecture}.pooling_type`) ?? 0;
}

/** Keys of llama.cpp's gguf-py (tokenizer.ggml.fim_*_token_id) and the older ones it still reads. All three are needed. */
function fillsMiddle(header: GgufHeader): boolean {
  const has = (...keys: readonly string[]) => keys.some((key) => (integerOf(header, `tokenizer.ggml.${key}_token_id`) ?? -1) >= 0);
  return has("fim_pre", "prefix") && has("fim_suf", "suffix") && has("fim_mid", "middle");
}

/**
 * Layers × (n_embd_k_gqa + n_embd_v_gqa) × 2 bytes, layer by layer (engine.md §14). Sliding windows and compressed (MLA) caches
 * need less; an estimate for planning may only be too high.
 */
function kvBytesPerToken(header: GgufHeader, architecture: string): number {
  if (!hasKvCache(architecture)) return 0;
  const layers = integerOf(header, `${architecture}.block_count`)!;
  const heads = layerValuesOf(header, `${architecture}.attention.head_count`, layers);
  if (typeof heads === "string") return 0;
  const kvHeads = layerValuesOf(header, `${architecture}.attention.head_count_kv`, layers);
  const perLayer = typeof kvHeads === "string" ? heads : kvHeads;
  const { keySize, valueSize } = headSizes(header, architecture, heads);
  const values = sum(perLayer.map((count) => count * (keySize + valueSize)));
  // Hybrids of the Qwen kind give a cache to every n-th layer only; Gemma 3n shares the caches of its last layers.
  const interval = Math.max(1, integerOf(header, `${architecture}.full_attention_interval`) ?? 1);
  const shared = Math.min(layers - 1, Math.max(0, integerOf(header, `${architecture}.attention.shared_kv_layers`) ?? 0));
  return Math.ceil((values * F16_BYTES * (layers - shared)) / layers / interval);
}

/** Values of a key and of a value of one head. libllama takes the head size of all layers from the first. */
function headSizes(header: GgufHeader, architecture: string, heads: readonly number[]): { keySize: number; valueSize: number } {
  const headSize = Math.floor(integerOf(header, `${architecture}.embedding_length`)! / Math.max(1, heads[0]!));
  const keySize = integerOf(header, `${architecture}.attention.key_length`) ?? headSize;
  const valueSize = integerOf(header, `${architecture}.attention.value_length`) ?? headSize;
  return { keySize, valueSize };
}

function kvQuantizes(header: GgufHeader, architecture: string): boolean {
  if (!hasKvCache(architecture)) return false;
  const heads = layerValuesOf(header, `${architecture}.attention.head_count`, integerOf(header, `${architecture}.block_count`)!);
  if (typeof heads === "string") return false;
  const { keySize, valueSize } = headSizes(header, architecture, heads);
  return keySize % Q8_0_BLOCK === 0 && valueSize % Q8_0_BLOCK === 0;
}

function quantizationOf(headers: readonly [GgufHeader, ...GgufHeader[]]): string {
  const fileType = integerOf(headers[0], "general.file_type");
  const named = fileType !== undefined && fileType < GUESSED ? FILE_TYPES.get(fileType) : undefined;
  if (named) return named;
  const elementsOfType = new Map<string, number>();
  for (const { type, elements } of headers.flatMap(({ tensors }) => tensors)) {
    elementsOfType.set(type.name, (elementsOfType.get(type.name) ?? 0) + elements);
  }
  return [...elementsOfType].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "unknown";
}

/** "qwen3moe" → "qwen", and an architecture that no family is known for is its own. */
function familyOfArchitecture(architecture: string): string {
  return familyOf(architecture) ?? architecture.replace(/[-_]?(moe|\d+)$/g, "");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
