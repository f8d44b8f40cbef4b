/**
 * libllama's sampler chain of one sequence, built from the sampling parameters of a request. Called by the engine.
 * The order is llama-server's: bias, penalties, top_k, typical, top_p, min_p, temperature, draw; mirostat replaces the
 * truncating ones. Samplers that would change nothing are left out: penalties alone cost 0.4 ms a token on 49 k tokens.
 */
import type { SamplingParams } from "../contract/generation.ts";
import type { Candidates } from "./candidates.ts";
import type { LlamaContext } from "./context.ts";
import { type Library, library, type SamplerPointer } from "./library.ts";

export class Sampler {
  readonly #lib: Library;
  readonly #chain: SamplerPointer;
  /** Whether accepting a token changes anything: only penalties remember. */
  readonly #remembers: boolean;
  /** Whether each draw changes it, whatever becomes of the token: mirostat does. */
  readonly adapts: boolean;
  /** A draw depends on so many of the likeliest candidates only; infinite when their order is not that of the logits. */
  readonly reach: number;

  /**
   * `seed`: unsigned 32 bits. The penalties see the prompt too, as in llama-server; `contextTokens` is how far back −1 reaches.
   */
  constructor(params: SamplingParams, seed: number, model: { vocabSize: number; contextTokens: number }, prompt: readonly number[]) {
    this.#lib = library();
    this.#chain = this.#lib.samplerChain({ no_perf: true });
    const lastN = params.repeatLastN < 0 ? model.contextTokens : params.repeatLastN;
    for (const sampler of links(this.#lib, params, seed, model.vocabSize, lastN)) this.#lib.samplerChainAdd(this.#chain, sampler);
    this.#remembers = penalizes(params);
    if (this.#remembers) for (const token of prompt.slice(-lastN)) this.#lib.samplerAccept(this.#chain, token);
    this.adapts = params.temperature > 0 && params.mirostat !== 0;
    // A ban lets no token rise: so many more of the likeliest hold as many that are not banned.
    const raises = params.logitBias.some(([, bias]) => bias > 0);
    this.reach = this.#remembers || this.adapts || raises ? Number.POSITIVE_INFINITY : reachOf(params) + params.logitBias.length;
  }

  /** Draws the next token from the logits at this index of the last step, and remembers it for penalties. */
  sample(context: LlamaContext, index: number): number {
    return this.#lib.samplerSample(this.#chain, context.pointer, index);
  }

  /** The same without remembering: the token may yet be refused. `scratch` may be overwritten. */
  draw(context: LlamaContext, index: number, scratch: Candidates): number {
    if (!this.#remembers) return this.#lib.samplerSample(this.#chain, context.pointer, index);
    scratch.fillAll(context.logits(index));
    return this.drawFrom(scratch);
  }

  /** Draws from these candidates without remembering; the chain reorders and drops them. */
  drawFrom(candidates: Candidates): number {
    this.#lib.samplerApply(this.#chain, candidates.pointer);
    return candidates.selected;
  }

  /** What was drawn is the next token. */
  remember(token: number): void {
    if (this.#remembers) this.#lib.samplerAccept(this.#chain, token);
  }

  free(): void {
    this.#lib.samplerFree(this.#chain);
  }
}

function penalizes(p: SamplingParams): boolean {
  return p.repeatLastN !== 0 && (p.repeatPenalty !== 1 || p.frequencyPenalty !== 0 || p.presencePenalty !== 0);
}

function reachOf({ temperature, topK }: SamplingParams): number {
  if (temperature <= 0) return 1;
  return topK > 0 ? topK : Number.POSITIVE_INFINITY;
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
