/**
 * libllama's sampler chain of one sequence, built from the sampling parameters of a request. Called by the engine.
 * The order is llama-server's: bias, penalties, top_k, typical, top_p, min_p, temperature, draw; mirostat replaces the
 * truncating ones. Samplers that would change nothing are left out: penalties alone cost 0.4 ms a token on 49 k tokens.
 */
import type { SamplingParams } from "../contract/generation.ts";
import type { LlamaContext } from "./context.ts";
import { type Library, library, type SamplerPointer } from "./library.ts";

export class Sampler {
  readonly #lib: Library;
  readonly #chain: SamplerPointer;

  /**
   * `seed`: unsigned 32 bits. The penalties see the prompt too, as in llama-server; `contextTokens` is how far back −1 reaches.
   */
  constructor(params: SamplingParams, seed: number, model: { vocabSize: number; contextTokens: number }, prompt: readonly number[]) {
    this.#lib = library();
    this.#chain = this.#lib.samplerChain({ no_perf: true });
    const lastN = params.repeatLastN < 0 ? model.contextTokens : params.repeatLastN;
    for (const sampler of links(this.#lib, params, seed, model.vocabSize, lastN)) this.#lib.samplerChainAdd(this.#chain, sampler);
    if (penalizes(params)) for (const token of prompt.slice(-lastN)) this.#lib.samplerAccept(this.#chain, token);
  }

  /** Draws the next token from the logits at this index of the last step, and remembers it for penalties. */
  sample(context: LlamaContext, index: number): number {
    return this.#lib.samplerSample(this.#chain, context.pointer, index);
  }

  free(): void {
    this.#lib.samplerFree(this.#chain);
  }
}

function penalizes(p: SamplingParams): boolean {
  return p.repeatLastN !== 0 && (p.repeatPenalty !== 1 || p.frequencyPenalty !== 0 || p.presencePenalty !== 0);
}

function* links(lib: Library, p: SamplingParams, seed: number, vocabSize: number, lastN: number): Generator<SamplerPointer> {
  if (p.logitBias.length > 0) yield lib.samplerLogitBias(vocabSize, p.logitBias.length, biasRecords(p.logitBias));
  if (penalizes(p)) yield lib.samplerPenalties(vocabSize, lastN, p.repeatPenalty, p.frequencyPenalty, p.presencePenalty);
  if (p.temperature <= 0) {
    yield lib.samplerGreedy();
    return;
  }
  if (p.mirostat !== 0) {
    yield lib.samplerTemperature(p.temperature);
    // 100 is the m of llama.cpp's own callers and of the paper.
    if (p.mirostat === 1) yield lib.samplerMirostat(vocabSize, seed, p.mirostatTau, p.mirostatEta, 100);
    else yield lib.samplerMirostatV2(seed, p.mirostatTau, p.mirostatEta);
    return;
  }
  if (p.topK > 0) yield lib.samplerTopK(p.topK);
  if (p.typicalP < 1) yield lib.samplerTypical(p.typicalP, 1);
  if (p.topP < 1) yield lib.samplerTopP(p.topP, 1);
  if (p.minP > 0) yield lib.samplerMinP(p.minP, 1);
  yield lib.samplerTemperature(p.temperature);
  yield lib.samplerDist(seed);
}

/** `llama_logit_bias` records; −100 bans as OpenAI documents it, so it becomes −infinity. */
function biasRecords(biases: SamplingParams["logitBias"]): Buffer {
  const records = Buffer.alloc(biases.length * 8);
  biases.forEach(([token, bias], i) => {
    records.writeInt32LE(token, i * 8);
    records.writeFloatLE(bias <= -100 ? Number.NEGATIVE_INFINITY : bias, i * 8 + 4);
  });
  return records;
}
