/**
 * Whether a valid GGUF file is a model that libllama can be given. Called by `model-file.ts`. What would make libllama abort
 * (GGML_ASSERT) instead of returning an error is refused here. Source: llama_model_base::load_hparams and llama_vocab::impl::load
 * of llama.cpp v0.4.0. It must not know paths or names.
 */
import { ARCHITECTURES, generatesByDecoding } from "./architectures.ts";
import { reasonOfAttention } from "./attention-rules.ts";
import type { GgufHeader } from "./gguf/header.ts";
import { MAX_TOKENS } from "./gguf/values.ts";
import { integerOf, layerValuesOf, stringOf } from "./metadata.ts";
import { reasonOfNumbers } from "./number-rules.ts";
import { reasonOfTensors } from "./tensor-rules.ts";

/** LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS. */
const MAX_LAYERS = 512;
const MAX_EXPERTS = 1024;
/** Far above any real model; below what overflows libllama's 32-bit products. */
const MAX_WIDTH = 1 << 20;
const MAX_CONTEXT = 1 << 30;

/** What tokenizing asserts on, or indexes with, and the ids that libllama takes where the file names none (llama_vocab::impl::load). */
const WORD_PIECES = [
  { key: "bos_token_id", usual: 101 },
  { key: "seperator_token_id", usual: 102 },
  { key: "unknown_token_id", usual: 100 },
];

/** @returns why this file is not a usable model, or undefined if it is one. */
export function reasonNotAModel(header: GgufHeader): string | undefined {
  return kindReason(header) ?? hyperparameterReason(header) ?? expertReason(header) ?? vocabularyReason(header) ?? reasonOfTensors(header);
}

function kindReason(header: GgufHeader): string | undefined {
  const type = stringOf(header, "general.type");
  const architecture = stringOf(header, "general.architecture");
  if (type === "adapter") return "a LoRA adapter, not a model";
  if (type === "mmproj" || architecture === "clip") return "a vision or audio projector (mmproj), not a model";
  if (type === "imatrix") return "an importance matrix (imatrix), not a model";
  if (architecture === "controlvector") return "a control vector, not a model";
  if (type !== undefined && type !== "model") return `its general.type is '${type}', not a model`;
  if (architecture === undefined) return "general.architecture is missing: not a model";
  if (!ARCHITECTURES.has(architecture)) return `unknown architecture '${architecture}'`;
  // The first part of a split model may carry the metadata alone.
  if (header.tensors.length === 0 && (integerOf(header, "split.count") ?? 0) <= 1) return "vocabulary only: it has no tensors";
  return undefined;
}

function hyperparameterReason(header: GgufHeader): string | undefined {
  const architecture = stringOf(header, "general.architecture")!;
  const layers = integerOf(header, `${architecture}.block_count`);
  const width = integerOf(header, `${architecture}.embedding_length`);
  const reason =
    outOfRange(`${architecture}.block_count`, layers, MAX_LAYERS) ??
    outOfRange(`${architecture}.embedding_length`, width, MAX_WIDTH) ??
    outOfRange(`${architecture}.context_length`, integerOf(header, `${architecture}.context_length`), MAX_CONTEXT);
  if (reason) return reason;
  const predictLayers = integerOf(header, `${architecture}.nextn_predict_layers`) ?? 0;
  if (predictLayers < 0 || predictLayers > layers!) return `${architecture}.nextn_predict_layers is ${predictLayers}, more than its layers`;
  const ropeScaling = stringOf(header, `${architecture}.rope.scaling.type`);
  if (ropeScaling !== undefined && !["none", "linear", "yarn", "longrope"].includes(ropeScaling)) {
    return `${architecture}.rope.scaling.type is '${ropeScaling}', which is unknown`;
  }
  return reasonOfAttention(header, layers!, width!) ?? reasonOfNumbers(header, layers!, width!);
}

/** The asserts on the experts, in the order of load_hparams. */
function expertReason(header: GgufHeader): string | undefined {
  const architecture = stringOf(header, "general.architecture")!;
  const layers = integerOf(header, `${architecture}.block_count`)!;
  const experts = integerOf(header, `${architecture}.expert_count`) ?? 0;
  const perLayer = layerValuesOf(header, `${architecture}.expert_used_count`, layers);
  if (perLayer === "invalid") return `${architecture}.expert_used_count is neither a number nor one number a layer`;
  const used = perLayer === "absent" ? 0 : Math.max(...perLayer);
  if (experts < 0 || experts > MAX_EXPERTS) return `${architecture}.expert_count is ${experts}, not between 0 and ${MAX_EXPERTS}`;
  const groups = integerOf(header, `${architecture}.expert_group_count`) ?? 0;
  // libllama drops a single expert of these before it asserts.
  if (/^hunyuan[-_](dense|vl)$/.test(architecture) && experts <= 1)
    return groups === 0 ? undefined : groupCountReason(architecture, groups, 0);
  if (used > experts || (experts > 0 && used === 0)) return `${architecture}.expert_used_count is ${used} of ${experts} experts`;
  // Graphs are built for as many as the first layer uses; hybrids, whose layers differ in kind, know better.
  const hybrid = typeof header.metadata.get(`${architecture}.attention.head_count_kv`) === "object";
  if (!hybrid && experts > 0 && typeof perLayer !== "string" && perLayer.some((count) => count < 1 || count > perLayer[0]!))
    return `${architecture}.expert_used_count of a layer is 0 or more than that of the first`;
  const groupsUsed = integerOf(header, `${architecture}.expert_group_used_count`) ?? 0;
  const uneven = groups > 1 && (experts % groups !== 0 || groupsUsed <= 0 || groupsUsed >= groups);
  return (experts > 0 ? groups >= experts || uneven : groups !== 0) ? groupCountReason(architecture, groups, experts) : undefined;
}

function groupCountReason(architecture: string, groups: number, experts: number): string {
  return `${architecture}.expert_group_count is ${groups} of ${experts} experts`;
}

function vocabularyReason(header: GgufHeader): string | undefined {
  const model = stringOf(header, "tokenizer.ggml.model");
  if (model === undefined) return "no tokenizer (tokenizer.ggml.model is missing): not a model";
  if (model === "none" || model === "no_vocab") return "it has no vocabulary, so text cannot be given to it";
  // The bytes of a WordPiece vocabulary have no text in libllama (GGML_ABORT in token_to_byte), and decoders need them.
  if (model === "bert" && generatesByDecoding(stringOf(header, "general.architecture")!)) return "its tokenizer 'bert' is one of encoders";
  const types = header.metadata.get("tokenizer.ggml.token_type");
  if (model === "bert" && typeof types === "object" && types.kind === "array" && (types.namesBytes ?? types.values?.includes(6)))
    return "its WordPiece vocabulary has tokens for bytes, of which libllama has no text";
  const tokens = header.metadata.get("tokenizer.ggml.tokens");
  if (typeof tokens !== "object" || tokens.kind !== "array" || tokens.type !== "string" || tokens.count === 0) {
    return "tokenizer.ggml.tokens is missing or empty";
  }
  const piece =
    model === "bert" ? WORD_PIECES.find(({ key, usual }) => tokenOf(header, key, usual, tokens.count) === undefined) : undefined;
  if (piece) return `its vocabulary has no ${piece.key}, which WordPiece needs`;
  if (tokens.count > MAX_TOKENS) return `it claims ${tokens.count} tokens, more than the ${MAX_TOKENS} allowed`;
  if (tokens.distinct === false) return "its vocabulary has a token twice";
  if (model === "llama" && tokens.spellsBytes === false)
    return "its vocabulary has no token for some bytes, so that not every text can be read";
  for (const key of ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"]) {
    const values = header.metadata.get(key);
    if (values === undefined) continue;
    if (typeof values !== "object" || values.kind !== "array" || values.count < tokens.count)
      return `${key} is shorter than the vocabulary`;
  }
  return undefined;
}

/** An id that is none counts as not given. */
function tokenOf(header: GgufHeader, key: string, usual: number, count: number): number | undefined {
  const given = integerOf(header, `tokenizer.ggml.${key}`) ?? usual;
  const id = given >= 0 && given < count ? given : usual;
  return id < count ? id : undefined;
}

function outOfRange(key: string, value: number | undefined, max: number): string | undefined {
  if (value === undefined) return `${key} is missing`;
  return value < 1 || value > max ? `${key} is ${value}, not between 1 and ${max}` : undefined;
}
