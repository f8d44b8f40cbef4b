/**
 * What the fuzz campaign starts from: small models that libllama really loads: llama, experts, Qwen3, Gemma 3 and Mamba written by hand, and
 * what grow.ts made of the header of every other architecture.
 * Called by mutations.ts. Names of keys and tensors: llama-arch.cpp of llama.cpp v0.4.0.
 */
import { ARCHITECTURES } from "../../src/models/architectures.ts";
import type { FixtureTensor, FixtureValue } from "../../test/fixtures/gguf.ts";
import grown from "./grown.json" with { type: "json" };

export interface Base {
  readonly name: string;
  readonly metadata: Readonly<Record<string, FixtureValue>>;
  readonly tensors: readonly FixtureTensor[];
}

const WIDTH = 32;
const FEED_FORWARD = 64;
const HEAD = 8;
const EXPERTS = 4;
const LAYERS = 2;

const TEXTS = ["<unk>", "<s>", "</s>", "<pad>", "\n", " ", "▁", "Ġ", "a", "b", "c", "d", "ab", "cd", "abcd", "<|im_start|>", "<|im_end|>"];
/** Bytes, too, as SentencePiece spells them. */
const TOKENS = [...TEXTS, ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)];
const f32s = (values: readonly number[]): FixtureValue => ({ type: "array", of: "f32", value: values });

function vocabulary(model: string): Record<string, FixtureValue> {
  return {
    "tokenizer.ggml.model": model,
    "tokenizer.ggml.pre": "default",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.scores": f32s(TOKENS.map((_, index) => -index)),
    "tokenizer.ggml.token_type": TOKENS.map((_, index) => (index < 4 ? 3 : index < TEXTS.length ? 1 : 6)),
    "tokenizer.ggml.token_type_count": 2,
    "tokenizer.ggml.merges": ["a b", "c d", "ab cd"],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.padding_token_id": 3,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.add_space_prefix": false,
    "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
  };
}

function general(architecture: string, more: Readonly<Record<string, FixtureValue>> = {}): Record<string, FixtureValue> {
  const own: Record<string, FixtureValue> = {
    block_count: LAYERS,
    context_length: 128,
    embedding_length: WIDTH,
    feed_forward_length: FEED_FORWARD,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.freq_base": 10_000.5,
    ...more,
  };
  const named = Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const);
  return { "general.architecture": architecture, "general.type": "model", "general.file_type": 0, ...Object.fromEntries(named) };
}

function layered(names: Readonly<Record<string, readonly number[]>>): FixtureTensor[] {
  return Array.from({ length: LAYERS }, (_, layer) =>
    Object.entries(names).map(([name, dims]) => ({ name: `blk.${layer}.${name}`, dims })),
  ).flat();
}

const OUTSIDE: readonly FixtureTensor[] = [
  { name: "token_embd.weight", dims: [WIDTH, TOKENS.length] },
  { name: "output_norm.weight", dims: [WIDTH] },
];
const ATTENTION = {
  "attn_norm.weight": [WIDTH],
  "attn_q.weight": [WIDTH, 4 * HEAD],
  "attn_k.weight": [WIDTH, 2 * HEAD],
  "attn_v.weight": [WIDTH, 2 * HEAD],
  "attn_output.weight": [4 * HEAD, WIDTH],
  "ffn_norm.weight": [WIDTH],
};
const DENSE = {
  "ffn_gate.weight": [WIDTH, FEED_FORWARD],
  "ffn_up.weight": [WIDTH, FEED_FORWARD],
  "ffn_down.weight": [FEED_FORWARD, WIDTH],
};
const SPARSE = {
  "ffn_gate_inp.weight": [WIDTH, EXPERTS],
  "ffn_gate_exps.weight": [WIDTH, FEED_FORWARD, EXPERTS],
  "ffn_up_exps.weight": [WIDTH, FEED_FORWARD, EXPERTS],
  "ffn_down_exps.weight": [FEED_FORWARD, WIDTH, EXPERTS],
};
const HEAD_NORMS = { "attn_q_norm.weight": [HEAD], "attn_k_norm.weight": [HEAD] };
const POST_NORMS = { "post_attention_norm.weight": [WIDTH], "post_ffw_norm.weight": [WIDTH] };
const STATE_SPACE = {
  "attn_norm.weight": [WIDTH],
  "ssm_in.weight": [WIDTH, 128],
  "ssm_conv1d.weight": [4, 64],
  "ssm_conv1d.bias": [64],
  "ssm_x.weight": [64, 2 + 2 * 16],
  "ssm_dt.weight": [2, 64],
  "ssm_dt.bias": [64],
  ssm_a: [16, 64],
  ssm_d: [64],
  "ssm_out.weight": [64, WIDTH],
};

/** WordPiece, whose vocabularies have no bytes. */
const PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁a", "▁b", "▁ab", "a", "b", "c", "d", "cd", "▁.", "▁<", "s", "▁>"];
const WORD_PIECE: Record<string, FixtureValue> = {
  "tokenizer.ggml.model": "bert",
  "tokenizer.ggml.pre": "default",
  "tokenizer.ggml.tokens": PIECES,
  "tokenizer.ggml.token_type": PIECES.map((_, index) => (index < 5 ? 3 : 1)),
  "tokenizer.ggml.token_type_count": 2,
  "tokenizer.ggml.padding_token_id": 0,
  "tokenizer.ggml.unknown_token_id": 1,
  "tokenizer.ggml.bos_token_id": 2,
  "tokenizer.ggml.eos_token_id": 3,
  "tokenizer.ggml.seperator_token_id": 3,
  "tokenizer.ggml.mask_token_id": 4,
  "tokenizer.ggml.cls_token_id": 2,
};
const withBias = (names: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(
    Object.entries(names).flatMap(([name, dims]) => [
      [`${name}.weight`, dims],
      [`${name}.bias`, [dims.at(-1)!]],
    ]),
  );
const ENCODER: readonly FixtureTensor[] = [
  { name: "token_embd.weight", dims: [WIDTH, PIECES.length] },
  { name: "token_types.weight", dims: [WIDTH, 2] },
  { name: "position_embd.weight", dims: [WIDTH, 128] },
  { name: "token_embd_norm.weight", dims: [WIDTH] },
  { name: "token_embd_norm.bias", dims: [WIDTH] },
  ...layered(
    withBias({
      attn_q: [WIDTH, WIDTH],
      attn_k: [WIDTH, WIDTH],
      attn_v: [WIDTH, WIDTH],
      attn_output: [WIDTH, WIDTH],
      attn_output_norm: [WIDTH],
      ffn_up: [WIDTH, FEED_FORWARD],
      ffn_down: [FEED_FORWARD, WIDTH],
      layer_output_norm: [WIDTH],
    }),
  ),
];
const RANKING: readonly FixtureTensor[] = [
  { name: "cls.weight", dims: [WIDTH, WIDTH] },
  { name: "cls.bias", dims: [WIDTH] },
  { name: "cls.output.weight", dims: [WIDTH, 1] },
  { name: "cls.output.bias", dims: [1] },
];
const encoder = (pooling: number): Record<string, FixtureValue> => ({
  ...general("bert", {
    "attention.head_count_kv": 4,
    "attention.causal": false,
    "attention.layer_norm_epsilon": 1e-12,
    pooling_type: pooling,
  }),
  ...WORD_PIECE,
});

/** They load, with a context, and compute a token or a vector. */
export const LOADABLE: readonly Base[] = [
  {
    name: "llama",
    metadata: { ...general("llama", { "rope.dimension_count": HEAD, vocab_size: TOKENS.length }), ...vocabulary("llama") },
    tensors: [...OUTSIDE, ...layered({ ...ATTENTION, ...DENSE })],
  },
  {
    name: "llama-bpe",
    metadata: { ...general("llama", { "rope.scaling.type": "linear", "rope.scaling.factor": 2.5 }), ...vocabulary("gpt2") },
    tensors: [...OUTSIDE, ...layered({ ...ATTENTION, ...DENSE })],
  },
  {
    name: "llama-moe",
    metadata: { ...general("llama", { expert_count: EXPERTS, expert_used_count: 2 }), ...vocabulary("llama") },
    tensors: [...OUTSIDE, ...layered({ ...ATTENTION, ...SPARSE })],
  },
  {
    name: "qwen3",
    metadata: { ...general("qwen3", { "attention.key_length": HEAD, "attention.value_length": HEAD }), ...vocabulary("gpt2") },
    tensors: [...OUTSIDE, ...layered({ ...ATTENTION, ...HEAD_NORMS, ...DENSE })],
  },
  {
    name: "gemma3",
    metadata: {
      ...general("gemma3", { "attention.sliding_window": 16, "attention.key_length": HEAD, "attention.value_length": HEAD }),
      ...vocabulary("llama"),
    },
    tensors: [...OUTSIDE, ...layered({ ...ATTENTION, ...HEAD_NORMS, ...POST_NORMS, ...DENSE })],
  },
  {
    name: "mamba",
    metadata: {
      ...general("mamba", { "ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16, "ssm.time_step_rank": 2 }),
      ...vocabulary("gpt2"),
    },
    tensors: [...OUTSIDE, ...layered(STATE_SPACE)],
  },
  { name: "bert", metadata: encoder(1), tensors: ENCODER },
  { name: "bert-rank", metadata: encoder(4), tensors: [...ENCODER, ...RANKING] },
];

/** Keys that some architecture reads; what one does not know it ignores. */
export const MORE_KEYS: Readonly<Record<string, FixtureValue>> = {
  vocab_size: TOKENS.length,
  leading_dense_block_count: 1,
  expert_count: EXPERTS,
  expert_used_count: 2,
  expert_feed_forward_length: 16,
  expert_shared_feed_forward_length: 16,
  expert_shared_count: 1,
  expert_group_count: 2,
  expert_group_used_count: 1,
  expert_weights_scale: 1.5,
  expert_weights_norm: true,
  expert_gating_func: 1,
  moe_every_n_layers: 2,
  nextn_predict_layers: 0,
  interleave_moe_layer_step: 1,
  pooling_type: 0,
  logit_scale: 0.5,
  decoder_start_token_id: 0,
  decoder_block_count: LAYERS,
  attn_logit_softcapping: 50.5,
  final_logit_softcapping: 30.5,
  swin_norm: true,
  rescale_every_n_layers: 2,
  time_mix_extra_dim: 8,
  time_decay_extra_dim: 8,
  residual_scale: 1.5,
  embedding_scale: 1.5,
  token_shift_count: 2,
  embedding_length_per_layer_input: 8,
  "altup.num_inputs": 4,
  "altup.active_idx": 0,
  "laurel.rank": 8,
  full_attention_interval: 2,
  n_deepstack_layers: 1,
  use_parallel_residual: true,
  tensor_data_layout: "Meta AI original pth",
  embedding_length_features: 16,
  "posnet.embedding_length": 16,
  "posnet.block_count": 2,
  "convnext.embedding_length": 16,
  "convnext.block_count": 2,
  "classifier.output_labels": ["yes", "no"],
  "shortconv.l_cache": 3,
  "attention.max_alibi_bias": 8.5,
  "attention.clamp_kqv": 8.5,
  "attention.layer_norm_epsilon": 1e-5,
  "attention.group_norm_epsilon": 1e-5,
  "attention.group_norm_groups": 2,
  "attention.causal": true,
  "attention.q_lora_rank": 8,
  "attention.kv_lora_rank": 8,
  "attention.key_length_mla": 12,
  "attention.value_length_mla": 8,
  "attention.decay_lora_rank": 8,
  "attention.iclr_lora_rank": 8,
  "attention.value_residual_mix_lora_rank": 8,
  "attention.gate_lora_rank": 8,
  "attention.relative_buckets_count": 8,
  "attention.sliding_window": 16,
  "attention.sliding_window_pattern": 2,
  "attention.scale": 0.5,
  "attention.output_scale": 0.5,
  "attention.temperature_length": 64,
  "attention.temperature_scale": 0.1,
  "attention.shared_kv_layers": 1,
  "attention.indexer.head_count": 2,
  "attention.indexer.key_length": 8,
  "attention.indexer.top_k": 4,
  "rope.dimension_count": HEAD,
  "rope.dimension_sections": [2, 1, 1, 0],
  "rope.scaling.type": "yarn",
  "rope.scaling.factor": 2.5,
  "rope.scaling.attn_factor": 1.5,
  "rope.scaling.original_context_length": 64,
  "rope.scaling.yarn_log_multiplier": 0.1,
  "rope.scale_linear": 1.5,
  "ssm.conv_kernel": 4,
  "ssm.inner_size": 64,
  "ssm.state_size": 16,
  "ssm.time_step_rank": 2,
  "ssm.group_count": 2,
  "ssm.dt_b_c_rms": true,
  "wkv.head_size": HEAD,
};

/** Every second layer is of another kind. */
const MIXED = { "attention.head_count_kv": [0, 2] };
/** Where the numbers of MORE_KEYS do not fit together. */
const OTHER_KEYS: Readonly<Record<string, Readonly<Record<string, FixtureValue>>>> = {
  ...Object.fromEntries("jamba plamo2 nemotron_h nemotron_h_moe granitehybrid lfm2 lfm2moe".split(" ").map((name) => [name, MIXED])),
  gemma4: { "attention.shared_kv_layers": 0 },
  "deepseek2-ocr": { "rope.freq_base": { type: "f32", value: 10_000 } },
  rwkv6qwen2: { token_shift_count: 1 },
  arwkv7: { token_shift_count: 1 },
};

/** The header of any architecture, with every key. */
export const HEADERS: readonly Base[] = [...ARCHITECTURES].map((architecture) => ({
  name: architecture,
  metadata: { ...general(architecture, { ...MORE_KEYS, ...OTHER_KEYS[architecture] }), ...vocabulary("gpt2") },
  tensors: OUTSIDE,
}));

type Grown = Readonly<Record<string, { readonly tensors: unknown; readonly metadata: Readonly<Record<string, FixtureValue>> }>>;

/** Of nearly every architecture a model that libllama loads: what grow.ts found out. The others by their header. */
export const ALL: readonly Base[] = HEADERS.map((base) => {
  const found = (grown as Grown)[base.name];
  if (!found) return base;
  const tensors = (found.tensors as Array<[string, number[]]>).map(([name, dims]) => ({ name, dims }));
  return { name: base.name, metadata: { ...base.metadata, ...found.metadata }, tensors };
});
