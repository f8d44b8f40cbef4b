/**
 * Whether the numbers of a model's attention fit together. Called by `acceptance.ts`. libllama checks few of them: it asserts while it
 * builds its graph (`src/models/*.cpp` of llama.cpp v0.4.0), or loops for ever (rotary dimensions of 0). Each rule was found by the fuzz
 * campaign (bench/fuzz). It must not know paths.
 */
import { isRecurrent } from "./architectures.ts";
import type { GgufHeader } from "./gguf/header.ts";
import { integerOf, layerValuesOf, stringOf } from "./metadata.ts";

/** Positions are not rotary there, so nobody reads rope.dimension_count (llama_model_rope_type, and what learns positions or has none). */
const WITHOUT_ROPE = new Set(
  `gpt2 mpt refact bloom starcoder bert jina-bert-v2 jais t5 t5encoder mamba mamba2 jamba rwkv6 rwkv6qwen2 rwkv7 arwkv7 nemotron_h
   nemotron_h_moe kimi-linear kimi-k3 wavtokenizer-dec`.split(/\s+/),
);

/** GGML_ASSERT(n_embd_head == n_rot), seen with each of them. */
const ROTATES_WHOLE_HEADS = new Set(
  `grok baichuan qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe plamo codeshell orion internlm2 minicpm starcoder2 xverse
   cohere2moe dbrx olmo olmo2 arctic deepseek exaone exaone4 exaone-moe granite granitemoe granite_swa arcee ernie4_5 ernie4_5-moe
   hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 smollm3 dream smallthinker llada llada-moe seed_oss apertus cogvlm rnd1 pangu-embedded
   mistral3 paddleocr maincoder talkie mellum qwen3tts`.split(/\s+/),
);

/** Multi-head latent attention. */
const LATENT = new Set("deepseek2 deepseek32 glm-dsa mistral4 minicpm3 plm".split(" "));

/** A layer without attention has 0 heads there, and tensors of the same names in some of them (llm_arch_is_hybrid). */
const HYBRIDS = new Set(
  `jamba falcon-h1 plamo2 granitehybrid lfm2 lfm2moe nemotron_h nemotron_h_moe qwen3next qwen35 qwen35moe qwen4exp kimi-linear kimi-k3
   bailingmoe3`.split(/\s+/),
);

/** They tell their recurrent layers by 0 key heads, and libllama asserts on a cache of states for none (GGML_ASSERT(buffer)). */
const TELL_BY_HEADS = new Set("jamba plamo2 nemotron_h nemotron_h_moe granitehybrid lfm2 lfm2moe".split(" "));

/** @param layers checked, as is the embedding length @returns why libllama could not attend, or undefined. */
export function reasonOfAttention(header: GgufHeader, layers: number, width: number): string | undefined {
  const architecture = stringOf(header, "general.architecture")!;
  if (isRecurrent(architecture) || architecture === "wavtokenizer-dec") return undefined;
  const heads = layerValuesOf(header, `${architecture}.attention.head_count`, layers);
  return (
    countReason(header, architecture, layers, width) ??
    (typeof heads === "string"
      ? undefined
      : (groupReason(header, architecture, heads) ?? ropeReason(header, architecture, heads[0]!, width)))
  );
}

function countReason(header: GgufHeader, architecture: string, layers: number, width: number): string | undefined {
  for (const name of ["head_count", "head_count_kv"]) {
    const key = `${architecture}.attention.${name}`;
    const counts = layerValuesOf(header, key, layers);
    if (counts === "absent" && name === "head_count") return `${key} is missing`;
    if (counts === "absent") continue;
    if (counts === "invalid") return `${key} is neither a number nor one number for each of the ${layers} layers`;
    // Layers without attention have 0 heads; some layer must have some.
    if (counts.some((count) => count < 0 || count > width)) return `${key} is not between 0 and the embedding length ${width}`;
    if (counts.every((count) => count === 0)) return `${key} is 0`;
  }
  return undefined;
}

/** Each key head serves the same number of query heads, and the counts are those that the tensors bear out. */
function groupReason(header: GgufHeader, architecture: string, heads: readonly number[]): string | undefined {
  const key = `${architecture}.attention.head_count`;
  const own = layerValuesOf(header, `${key}_kv`, heads.length);
  const kvHeads = typeof own === "string" ? heads : own;
  const uneven = heads.findIndex((count, layer) => count > 0 && kvHeads[layer]! > 0 && count % kvHeads[layer]! !== 0);
  if (uneven >= 0) return `${key}_kv of layer ${uneven} is ${kvHeads[uneven]}, which does not divide its ${heads[uneven]} heads`;
  if (TELL_BY_HEADS.has(architecture) && !kvHeads.includes(0))
    return `${key}_kv is 0 for none of the layers: a hybrid without recurrent layers`;
  // The layer that attends in full is built with the number of the first, which does not.
  if (architecture === "minimax-01" && kvHeads.some((count) => count !== kvHeads[0])) return `${key}_kv differs between layers`;
  // Layers of another kind have no heads there, or heads of another size.
  if (HYBRIDS.has(architecture) || header.metadata.has(`${architecture}.attention.key_length_swa`)) return undefined;
  return (
    widthReason(header, key, heads, /^blk\.(\d+)\.attn_(?:q|qkv)\.weight$/) ??
    widthReason(header, `${key}_kv`, kvHeads, /^blk\.(\d+)\.attn_(?:k|qkv)\.weight$/)
  );
}

/** Layers whose tensors are equally wide have equally many heads, and those that have a tensor have some. */
function widthReason({ tensors }: GgufHeader, key: string, counts: readonly number[], pattern: RegExp): string | undefined {
  const countOfWidth = new Map<number, number>();
  for (const { name, dims } of tensors) {
    const count = counts[Number(pattern.exec(name)?.[1] ?? -1)];
    if (count === undefined) continue;
    if (count === 0) return `${key} of a layer is 0, but it has the tensor ${name}`;
    const width = dims[1] ?? 1;
    if ((countOfWidth.get(width) ?? count) !== count) return `${key} differs between layers whose tensors are equally wide`;
    countOfWidth.set(width, count);
  }
  return undefined;
}

function ropeReason(header: GgufHeader, architecture: string, heads: number, width: number): string | undefined {
  const length = integerOf(header, `${architecture}.attention.key_length`);
  if (length === undefined && heads > 0 && width % heads !== 0)
    return `its ${heads} heads do not divide its width of ${width}, and ${architecture}.attention.key_length is missing`;
  if (WITHOUT_ROPE.has(architecture) || (length === undefined && heads === 0)) return undefined;
  const headSize = length ?? width / heads;
  for (const [key, size] of [
    [`${architecture}.rope.dimension_count`, headSize],
    [`${architecture}.rope.dimension_count_swa`, integerOf(header, `${architecture}.attention.key_length_swa`) ?? headSize],
  ] as const) {
    const rotated = integerOf(header, key);
    if (rotated === undefined) continue;
    if (rotated < 2 || rotated > size || rotated % 2 !== 0) return `${key} is ${rotated}, not an even number up to the head size ${size}`;
    if (rotated !== size && ROTATES_WHOLE_HEADS.has(architecture)) return `${key} is ${rotated}, not the head size ${size}`;
  }
  return latentReason(header, architecture, headSize);
}

/** GGML_ASSERT(n_embd_head_qk_nope >= 1): of a compressed (MLA) key a part is rotated, and a part is not. */
function latentReason(header: GgufHeader, architecture: string, headSize: number): string | undefined {
  if (!LATENT.has(architecture)) return undefined;
  const [key, value] = ["key_length_mla", "value_length_mla"].map((name) => integerOf(header, `${architecture}.attention.${name}`));
  const size = key !== undefined && value ? key : headSize;
  const rotated = integerOf(header, `${architecture}.rope.dimension_count`) ?? headSize;
  return rotated < size ? undefined : `${architecture}.rope.dimension_count is ${rotated}, which leaves nothing of a key of ${size}`;
}
