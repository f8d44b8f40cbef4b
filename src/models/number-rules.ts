/**
 * Bounds of the numbers that libllama computes with and does not check: a violation ends the process (GGML_ASSERT, division by zero) or
 * reads past the end. Called by `acceptance.ts`. Each rule was found by the fuzz campaign (bench/fuzz) on llama.cpp v0.4.0; which
 * architectures it names are those where it was seen. It must not know paths.
 */
import type { GgufHeader } from "./gguf/header.ts";
import type { GgufValue } from "./gguf/values.ts";
import { integerOf, stringOf } from "./metadata.ts";

interface Rule {
  /** Below the architecture's prefix. */
  readonly key: string;
  readonly holds: (value: number) => boolean;
  readonly wanted: string;
  /** Absent: all. */
  readonly architectures?: readonly string[];
  /** Whether it must be there. */
  readonly required?: true;
}

const atLeast = (least: number) => ({ holds: (value: number) => value >= least, wanted: `at least ${least}` });
/** softmax, sigmoid, softmax of the chosen, sqrt of softplus. */
const GATING = { key: "expert_gating_func", holds: (value: number) => value >= 1 && value <= 4, wanted: "between 1 and 4" };

const RULES: readonly Rule[] = [
  { key: "attention.group_norm_groups", ...atLeast(1) },
  { key: "attention.indexer.block_size", ...atLeast(1) },
  { key: "attention.sliding_window_pattern", ...atLeast(2) },
  { key: "attention.sliding_window", ...atLeast(1), architectures: ["afmoe"], required: true },
  { key: "full_attention_interval", ...atLeast(1) },
  { key: "interleave_moe_layer_step", ...atLeast(1), architectures: ["ernie4_5-moe"] },
  { key: "token_shift_count", holds: (value) => value === 2, wanted: "2", architectures: ["rwkv7"] },
  // GGML_ASSERT(n_embd == hparams.n_embd_r())
  { key: "token_shift_count", holds: (value) => value === 1, wanted: "1", architectures: ["rwkv6qwen2", "arwkv7"], required: true },
  // GGML_ABORT("unknown pooling type")
  { key: "pooling_type", holds: (value) => value <= 4, wanted: "one of 0 to 4" },
  { key: "rope.freq_base", holds: (value) => value === 10_000, wanted: "10000", architectures: ["deepseek2-ocr"] },
  { ...GATING },
  { ...GATING, architectures: ["minimax-m2", "smallthinker"], required: true },
];

/** Beyond it 32-bit sums overflow. */
const MAX_NUMBER = 2 ** 31 - 1;

/** @param layers checked, as is the embedding length @returns which number libllama could not compute with, or undefined. */
export function reasonOfNumbers(header: GgufHeader, layers: number, width: number): string | undefined {
  const prefix = `${stringOf(header, "general.architecture")!}.`;
  for (const [key, value] of header.metadata) {
    const reason = key.startsWith(prefix) ? valueReason(key, value) : undefined;
    if (reason) return reason;
  }
  return (
    ruleReason(header, prefix) ??
    windowReason(header, prefix, layers) ??
    sizeReason(header, prefix, width) ??
    sectionsReason(header, prefix)
  );
}

function valueReason(key: string, value: GgufValue): string | undefined {
  // Models for contexts of millions of tokens have rotary bases of many billions.
  const max = key.includes("rope.freq_base") ? Number.MAX_VALUE : MAX_NUMBER;
  if (typeof value === "bigint" || (typeof value === "number" && !(Math.abs(value) <= max)))
    return `${key} is ${value}, not a number to compute with`;
  if (!/norm(_rms)?_epsilon$/.test(key)) return undefined;
  return typeof value === "number" && value >= 0 ? undefined : `${key} is not a number of at least 0`;
}

function ruleReason(header: GgufHeader, prefix: string): string | undefined {
  for (const { key, holds, wanted, architectures, required } of RULES) {
    if (architectures && !architectures.includes(prefix.slice(0, -1))) continue;
    const value = header.metadata.get(prefix + key);
    if (value === undefined && required) return `${prefix}${key} is missing`;
    if (typeof value === "number" && !holds(value)) return `${prefix}${key} is ${value}, not ${wanted}`;
  }
  return undefined;
}

/** Where some layers see a window only, GGML_ASSERT(hparams.is_swa_any()) wants one that does. */
function windowReason(header: GgufHeader, prefix: string, layers: number): string | undefined {
  if ((integerOf(header, `${prefix}attention.sliding_window`) ?? 0) === 0) return undefined;
  // GGML_ASSERT(hparams.n_layer_kv_from_start >= 2)
  const shared = integerOf(header, `${prefix}attention.shared_kv_layers`) ?? 0;
  if (prefix === "gemma4." && layers - shared < 2) return `${prefix}attention.shared_kv_layers is ${shared} of ${layers} layers`;
  const main = layers - (integerOf(header, `${prefix}nextn_predict_layers`) ?? 0);
  if (main < 2) return `it has ${main} layer and a sliding window, which needs two`;
  const pattern = header.metadata.get(`${prefix}attention.sliding_window_pattern`);
  // GGML_ASSERT(buffer): the mask of the layers that see all is made, and used by none.
  if (prefix === "gemma-embedding." && typeof pattern === "number" && pattern > layers)
    return `${prefix}attention.sliding_window_pattern is ${pattern}, which leaves none of its ${layers} layers to see all`;
  const none = typeof pattern === "object" && pattern.kind === "array" && pattern.values?.every((windowed) => !windowed);
  return none ? `${prefix}attention.sliding_window_pattern gives its sliding window to no layer` : undefined;
}

function sizeReason(header: GgufHeader, prefix: string, width: number): string | undefined {
  const inner = integerOf(header, `${prefix}ssm.inner_size`);
  // GGML_ASSERT(2 * n_embd == d_inner)
  if (["granitehybrid.", "jamba."].includes(prefix) && inner !== undefined && inner !== 2 * width)
    return `${prefix}ssm.inner_size is ${inner}, not twice the embedding length`;
  const size = integerOf(header, `${prefix}wkv.head_size`);
  if (size === undefined || (size > 0 && width % size === 0)) return undefined;
  return `${prefix}wkv.head_size is ${size}, which does not divide the embedding length ${width}`;
}

/** Rotary positions of several axes: GGML_ASSERT(sections[0] > 0 || sections[1] > 0 || sections[2] > 0). */
function sectionsReason(header: GgufHeader, prefix: string): string | undefined {
  const key = `${prefix}rope.dimension_sections`;
  const value = header.metadata.get(key);
  if (value === undefined) return prefix === "paddleocr." ? `${key} is missing` : undefined;
  const sections = typeof value === "object" && value.kind === "array" ? (value.values ?? []) : [];
  const whole = sections.every((section) => typeof section === "number" && section >= 0);
  return whole && sections.slice(0, 3).some((section) => section !== 0) ? undefined : `${key} has no section above 0`;
}
