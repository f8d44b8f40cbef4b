/**
 * What libllama aborts, crashes or hangs on, one line for each case that the fuzz campaign (bench/fuzz) found: without its rule the file
 * would be given to libllama. test/integrity/fuzz.test.ts loads what passes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FixtureTensor, type FixtureValue, TINY_METADATA, TINY_TENSORS, tinyModel, writeModel } from "../../test/fixtures/gguf.ts";
import type { ShimmyError } from "../contract/errors.ts";
import { readModelFile } from "./model-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shimmy-rules-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Metadata = Readonly<Record<string, FixtureValue | undefined>>;

/** The reason of a refusal; undefined if the file is taken. The values go to the keys of the architecture. */
async function refusal(architecture: string, values: Metadata, tensors: readonly FixtureTensor[] = []): Promise<string | undefined> {
  const renamed = Object.entries(TINY_METADATA).filter(([key]) => key.startsWith("llama."));
  const metadata: Metadata = {
    ...Object.fromEntries(renamed.map(([key]) => [key, undefined])),
    ...Object.fromEntries(renamed.map(([key, value]) => [key.replace("llama", architecture), value])),
    "general.architecture": architecture,
    ...Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key.startsWith("tokenizer.") ? key : `${architecture}.${key}`, value]),
    ),
  };
  const content = tinyModel(metadata, { tensors: [...TINY_TENSORS, ...tensors] });
  return readModelFile(await writeModel(join(folder, "model.gguf"), content)).then(
    () => undefined,
    (error) => String((error as ShimmyError).details.reason),
  );
}

const f32 = (value: number): FixtureValue => ({ type: "f32", value });

describe("numbers", () => {
  test.each<[string, string, FixtureValue | undefined]>([
    // GGML_ASSERT(eps >= 0.0f)
    ["llama", "attention.layer_norm_rms_epsilon", f32(-1)],
    ["llama", "attention.layer_norm_rms_epsilon", f32(Number.NaN)],
    ["gptneox", "attention.layer_norm_epsilon", f32(Number.NEGATIVE_INFINITY)],
    ["qwen3vl", "n_deepstack_layers", 0xffff_ffff],
    ["llama", "attention.scale", f32(Number.POSITIVE_INFINITY)],
    // Divisions by zero
    ["minimax-01", "full_attention_interval", 0],
    ["qwen3", "attention.group_norm_groups", 0],
    // GGML_ASSERT(hparams.is_swa_any())
    ["gemma3", "attention.sliding_window_pattern", 1],
    ["mimo2", "attention.sliding_window_pattern", 0],
    // A window of nothing: SIGSEGV
    ["afmoe", "attention.sliding_window", 0],
    ["afmoe", "attention.sliding_window", undefined],
    ["minimax-m3", "attention.indexer.block_size", 0],
    ["ernie4_5-moe", "interleave_moe_layer_step", 0],
    ["rwkv7", "token_shift_count", 3],
    ["rwkv7", "wkv.head_size", 7],
    ["rwkv7", "wkv.head_size", 0],
    ["granitehybrid", "ssm.inner_size", 63],
    ["jamba", "ssm.inner_size", 100],
    ["arwkv7", "token_shift_count", undefined],
    ["rwkv6qwen2", "token_shift_count", 2],
    ["deepseek2-ocr", "rope.freq_base", f32(1e6)],
    ["jamba", "attention.head_count_kv", 2],
    ["lfm2", "attention.head_count_kv", [2, 2]],
    // GGML_ABORT in build_moe_ffn
    ["glm4moe", "expert_gating_func", 7],
    ["bailingmoe2", "expert_gating_func", 0],
    ["smallthinker", "expert_gating_func", undefined],
    // GGML_ASSERT(sections[0] > 0 || …)
    ["paddleocr", "rope.dimension_sections", undefined],
    ["qwen2vl", "rope.dimension_sections", [0, 0, 0, 8]],
  ])("%s.%s = %o is refused", async (architecture, key, value) => {
    // Hybrids need a layer of each kind.
    const mixed = key === "ssm.inner_size" ? { "attention.head_count_kv": [0, 2] } : {};
    expect(await refusal(architecture, { ...mixed, [key]: value })).toContain(`${architecture}.${key} `);
  });

  test.each<[string, Metadata]>([
    ["gemma3", { "attention.sliding_window": 512, "attention.sliding_window_pattern": 6 }],
    ["llama4", { interleave_moe_layer_step: 0 }],
    ["llama", { "rope.freq_base": f32(45.4e9) }],
    ["qwen2vl", { "rope.dimension_sections": [4, 2, 2, 0] }],
    ["afmoe", { "attention.sliding_window": 2048 }],
    ["smallthinker", { expert_gating_func: 2 }],
    ["rwkv7", { token_shift_count: 2, "wkv.head_size": 16 }],
  ])("%s with %o is taken", async (architecture, values) => {
    expect(await refusal(architecture, values)).toBeUndefined();
  });

  test("layers of Gemma 4 that nearly all share a cache are refused", async () => {
    const values = { "attention.sliding_window": 16 };
    expect(await refusal("gemma4", { ...values, "attention.shared_kv_layers": 1 })).toContain("shared_kv_layers is 1 of 2 layers");
    expect(await refusal("gemma4", values)).toBeUndefined();
  });

  test("a sliding window over a single layer is refused", async () => {
    const values = { block_count: 1, "attention.sliding_window": 16 };
    expect(await refusal("cohere2", values)).toBe("it has 1 layer and a sliding window, which needs two");
  });

  test("a sliding window for no layer is refused", async () => {
    const values = { "attention.sliding_window": 16, "attention.sliding_window_pattern": [0, 0] };
    expect(await refusal("mimo2", values)).toContain("to no layer");
    expect(await refusal("mimo2", { ...values, "attention.sliding_window_pattern": [0, 1] })).toBeUndefined();
  });

  test.each([[[0, 2]], [[1, 2]], [[2, 0]]])("experts of the layers %o are refused: SIGFPE, a view out of bounds", async (used) => {
    expect(await refusal("llama", { expert_count: 4, expert_used_count: used })).toContain("expert_used_count of a layer");
    expect(await refusal("llama", { expert_count: 4, expert_used_count: used, "attention.head_count_kv": [2, 2] })).toBeUndefined();
  });

  test("groups of experts that a single expert leaves without meaning are refused", async () => {
    expect(await refusal("hunyuan-dense", { expert_count: 1, expert_group_count: 2 })).toContain("expert_group_count");
    expect(await refusal("hunyuan-moe", { expert_count: 1, expert_used_count: 2 })).toContain("expert_used_count");
    expect(await refusal("hunyuan-dense", { expert_count: 1 })).toBeUndefined();
  });
});

describe("attention", () => {
  test.each<[string, Metadata]>([
    // Loops for ever
    ["gptneox", { "rope.dimension_count": 0 }],
    // GGML_ASSERT(n_dims <= ne0), GGML_ASSERT(n_dims % 2 == 0)
    ["gemma3", { "rope.dimension_count": 16 }],
    ["phi2", { "rope.dimension_count": 3 }],
    ["phi2", { "attention.key_length_swa": 4, "rope.dimension_count_swa": 8 }],
    // GGML_ASSERT(n_embd_head == n_rot)
    ["qwen3", { "rope.dimension_count": 4 }],
    ["mistral3", { "rope.dimension_count": 4 }],
    // GGML_ASSERT(n_embd_head_qk_nope >= 1)
    ["deepseek2", { "attention.key_length_mla": 8, "attention.value_length_mla": 8, "rope.dimension_count": 8 }],
    ["deepseek2", { "rope.dimension_count": 8 }],
    ["deepseek2", { "attention.key_length_mla": 12, "rope.dimension_count": 8 }],
  ])("%s with %o: how much is rotated", async (architecture, values) => {
    expect(await refusal(architecture, values)).toContain(`${architecture}.rope.dimension_count`);
  });

  test("a part of each head may be rotated where the architecture does so, and nothing is asked of one that does not rotate", async () => {
    const latent = { "attention.key_length_mla": 12, "attention.value_length_mla": 8, "rope.dimension_count": 8 };
    expect(await refusal("phi2", { "rope.dimension_count": 4 })).toBeUndefined();
    expect(await refusal("qwen3", { "attention.key_length": 16, "rope.dimension_count": 16 })).toBeUndefined();
    expect(await refusal("gpt2", { "rope.dimension_count": 0 })).toBeUndefined();
    expect(await refusal("deepseek2", latent)).toBeUndefined();
  });

  test("heads of keys that do not divide the heads are refused", async () => {
    expect(await refusal("qwen", { "attention.head_count_kv": 3 })).toBe(
      "qwen.attention.head_count_kv of layer 0 is 3, which does not divide its 4 heads",
    );
  });

  test("heads that do not divide the width are refused unless their size is given", async () => {
    const odd = { "attention.head_count": 3, "attention.head_count_kv": 3 };
    expect(await refusal("qwen", odd)).toContain("do not divide its width of 32");
    expect(await refusal("qwen", { ...odd, "attention.key_length": 8 })).toBeUndefined();
  });

  test("counts of key heads that the tensors do not bear out are refused", async () => {
    const keys = (...widths: number[]) => widths.map((width, layer) => ({ name: `blk.${layer}.attn_k.weight`, dims: [32, width] }));
    const values = { "attention.head_count_kv": [2, 4] };
    expect(await refusal("llama", values, keys(16, 16))).toContain("head_count_kv differs between layers whose tensors are equally wide");
    expect(await refusal("llama", values, keys(16, 32))).toBeUndefined();
    expect(await refusal("llama", { "attention.head_count_kv": [2, 0] }, keys(16, 16))).toContain(
      "of a layer is 0, but it has the tensor blk.1.attn_k",
    );
    const fused = [0, 1].map((layer) => ({ name: `blk.${layer}.attn_qkv.weight`, dims: [32, 64] }));
    expect(await refusal("qwen", values, fused)).toContain("head_count_kv differs");
    expect(await refusal("minimax-01", values)).toContain("head_count_kv differs");
    const queries = [0, 1].map((layer) => ({ name: `blk.${layer}.attn_q.weight`, dims: [32, 32] }));
    expect(await refusal("granite", { "attention.head_count": [4, 2] }, queries)).toContain("head_count differs");
    expect(await refusal("kimi-linear", { "attention.head_count_kv": [2, 0] }, keys(16, 16))).toBeUndefined();
    expect(await refusal("llama", { "attention.head_count_kv": [2, 0] }, keys(16))).toBeUndefined();
  });
});

describe("tensors", () => {
  test.each<[string, readonly number[], number, string]>([
    // No multiplication takes them: SIGSEGV
    ["blk.0.attn_q.weight", [32, 32], 24, "I8"],
    ["blk.0.attn_q.weight", [32, 32], 26, "I32"],
    ["blk.0.attn_q.weight", [32, 32], 28, "F64"],
    ["blk.0.attn_q.weight", [32, 32], 9, "Q8_1"],
    ["blk.0.ffn_down.weight", [256, 32], 15, "Q8_K"],
    // binary_op: unsupported types
    ["blk.0.attn_norm.weight", [32], 30, "BF16"],
    ["blk.0.attn_norm.weight", [32, 1], 8, "Q8_0"],
    ["blk.0.attn_q.bias", [32], 2, "Q4_0"],
    ["blk.0.ssm_a", [32, 4], 8, "Q8_0"],
    ["blk.0.ssm_conv1d.weight", [32, 4], 1, "F16"],
  ])("%s %o of type %i is refused", async (name, dims, type, called) => {
    expect(await refusal("llama", {}, [{ name, dims, type }])).toContain(`tensor '${name}' has the type ${called}`);
  });

  test.each<[string, readonly number[], number]>([
    ["blk.0.attn_q.weight", [32, 32], 8],
    ["blk.0.attn_q.weight", [32, 32], 30],
    ["cls.output.weight", [32, 1], 1],
    ["blk.0.ffn_gate_tid2eid", [8, 4], 26],
  ])("%s %o of type %i is taken", async (name, dims, type) => {
    expect(await refusal("llama", {}, [{ name, dims, type }])).toBeUndefined();
  });
});

test("a generator with the vocabulary of an encoder is refused: libllama aborts on its bytes", async () => {
  expect(await refusal("llama", { "tokenizer.ggml.model": "bert" })).toBe("its tokenizer 'bert' is one of encoders");
  expect(await refusal("bert", WORD_PIECE)).toBeUndefined();
});

/** Its special tokens lie beyond a vocabulary of four where nothing is said. */
const WORD_PIECE = {
  "tokenizer.ggml.model": "bert",
  "tokenizer.ggml.bos_token_id": 0,
  "tokenizer.ggml.seperator_token_id": 1,
  "tokenizer.ggml.unknown_token_id": 2,
};

test("a WordPiece vocabulary without its special tokens is refused: libllama asserts on the first text", async () => {
  for (const name of ["bos", "seperator", "unknown"]) {
    const key = `tokenizer.ggml.${name}_token_id`;
    expect(await refusal("bert", { ...WORD_PIECE, [key]: 4 })).toContain(`no ${name}_token_id`);
  }
});

test("a WordPiece vocabulary with tokens for bytes is refused: libllama aborts when it is loaded", async () => {
  expect(await refusal("bert", { ...WORD_PIECE, "tokenizer.ggml.token_type": [3, 3, 3, 6] })).toContain("tokens for bytes");
  expect(await refusal("bert", { ...WORD_PIECE, "tokenizer.ggml.token_type": [3, 3, 3, 1] })).toBeUndefined();
});

test("windows for all layers of an embedding Gemma are refused: libllama asserts on the mask that nobody uses", async () => {
  const windowed = (pattern: number) => ({ "attention.sliding_window": 16, "attention.sliding_window_pattern": pattern });
  expect(await refusal("gemma-embedding", windowed(3))).toContain("leaves none of its 2 layers");
  expect(await refusal("gemma-embedding", windowed(2))).toBeUndefined();
});

test("an unknown way of pooling is refused: libllama aborts on it", async () => {
  expect(await refusal("bert", { ...WORD_PIECE, pooling_type: 5 })).toContain("pooling_type is 5");
  expect(await refusal("llama", { pooling_type: 4 })).toBeUndefined();
});

test("a SentencePiece vocabulary that cannot spell each byte is refused: libllama throws on the first text that needs it", async () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const vocabulary = (tokens: readonly string[]) => ({ "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens });
  expect(await refusal("llama", vocabulary(bytes))).toBeUndefined();
  expect(await refusal("llama", vocabulary([...bytes.filter((token) => token !== "<0x61>"), "a"]))).toBeUndefined();
  expect(await refusal("llama", vocabulary(bytes.slice(1)))).toContain("no token for some bytes");
  expect(await refusal("llama", vocabulary(bytes.map((token) => token.toLowerCase())))).toContain("no token for some bytes");
});
