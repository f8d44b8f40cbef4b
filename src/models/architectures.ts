/**
 * The architectures that the pinned libllama can load, and what kind each is. Called by `acceptance.ts` and `describe.ts`.
 * Source: LLM_ARCH_NAMES (src/llama-arch.cpp) and llama_model_create (src/llama-model.cpp) of llama.cpp v0.4.0, which
 * @node-llama-cpp 3.21.1 packs. Without "clip" (projectors, not models) and "gptj" (named there but not implemented).
 */

export const ARCHITECTURES: ReadonlySet<string> = new Set(
  `
    llama llama4 deci falcon grok gpt2 gptneox mpt baichuan starcoder refact bert modern-bert nomic-bert nomic-bert-moe neo-bert
    jina-bert-v2 jina-bert-v3 eurobert bloom stablelm qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3next qwen3vl qwen3vlmoe
    qwen35 qwen35moe qwen4exp phi2 phi3 phimoe plamo plamo2 plamo3 codeshell orion internlm2 minicpm minicpm3 gemma gemma2 gemma3
    gemma3n gemma4 gemma4-assistant gemma-embedding starcoder2 mamba mamba2 jamba falcon-h1 xverse command-r cohere2 cohere2moe
    dbrx olmo olmo2 olmoe muse-glimmer openelm arctic deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4 chatglm glm4 glm4moe
    glm-dsa bitnet t5 t5encoder jais jais2 nemotron nemotron_h nemotron_h_moe exaone exaone4 exaone-moe rwkv6 rwkv6qwen2 rwkv7
    arwkv7 granite granitemoe granitehybrid graniteswitch granite_swa chameleon wavtokenizer-dec plm bailingmoe bailingmoe2
    bailingmoe3 dots1 dots3note arcee afmoe laguna ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 smollm3
    gpt-oss lfm2 lfm2moe dream smallthinker llada llada-moe seed_oss grovemoe apertus minimax-01 minimax-m2 minimax-m3 cogvlm rnd1
    pangu-embedded mistral3 eagle3 dflash mistral4 paddleocr mimo2 step35 llama-embed maincoder kimi-linear kimi-k3 talkie mellum
    nanbeige qwen3tts pockettts
  `
    .trim()
    .split(/\s+/),
);

/** Encoders: they embed and rank text. */
const ENCODERS = new Set(
  "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert gemma-embedding llama-embed".split(" "),
);

/**
 * They make text or sound, but not token after token with llama_decode alone: diffusion (llm_arch_is_diffusion), encoder-decoders
 * (llm_model_has_encoder), heads that draft for another model, speech. On several texts at once the graph of T5's encoder asserts.
 */
const OTHER_WAYS = new Set(
  "dream llada llada-moe rnd1 t5 t5encoder eagle3 dflash gemma4-assistant wavtokenizer-dec qwen3tts pockettts".split(" "),
);

/**
 * No KV cache: state of a fixed size instead (llm_arch_is_recurrent), or all of the text at once (llama_model::create_memory gives null).
 */
const RECURRENT = new Set("mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7".split(" "));
const WITHOUT_MEMORY = new Set(
  `bert jina-bert-v2 jina-bert-v3 nomic-bert nomic-bert-moe neo-bert eurobert wavtokenizer-dec modern-bert gemma-embedding dream llada
   llada-moe rnd1`.split(/\s+/),
);

export function generatesByDecoding(architecture: string): boolean {
  return !ENCODERS.has(architecture) && !OTHER_WAYS.has(architecture);
}

/** Whether it makes vectors of text by design; decoders that were retrained for it say so in their metadata. */
export function isEncoder(architecture: string): boolean {
  return ENCODERS.has(architecture);
}

/** Whether it is a language model at all: no speech, no diffusion, no drafting head. */
export function readsTextOnly(architecture: string): boolean {
  return !OTHER_WAYS.has(architecture);
}

export function isRecurrent(architecture: string): boolean {
  return RECURRENT.has(architecture);
}

export function hasKvCache(architecture: string): boolean {
  return !RECURRENT.has(architecture) && !WITHOUT_MEMORY.has(architecture);
}
