/**
 * Sampling when the caller says nothing: the values of llama.cpp's server (common_params_sampling), not OpenAI's
 * temperature 1 and top_p 1, because small quantised models ramble there and people compare local servers with each other.
 * Before them come the wishes of the model's authors. Called by engine-message.ts.
 *
 *   request  >  its store (PARAMETER of an Ollama Modelfile)  >  its file (general.sampling.*)  >  these
 */
import type { GenerationRequest, SamplingParams } from "../contract/generation.ts";
import { type AuthorWords, authorDefaults } from "../models/author-sampling.ts";

export const SAMPLING_DEFAULTS: SamplingParams = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  repeatPenalty: 1,
  repeatLastN: 64,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
};

/** What a request asks for, with all that it does not say. A limit of the server's own is in the request already. */
export function withDefaults(
  info: AuthorWords,
  { sampling, stop, maxTokens }: Pick<GenerationRequest, "sampling" | "stop" | "maxTokens">,
): { readonly sampling: SamplingParams; readonly stop: readonly string[]; readonly maxTokens?: number } {
  const author = authorDefaults(info);
  const limit = maxTokens ?? author.maxTokens;
  return {
    sampling: { ...SAMPLING_DEFAULTS, ...author.sampling, ...sampling },
    stop: stop.length > 0 ? stop : (author.stop ?? []),
    ...(limit !== undefined && { maxTokens: limit }),
  };
}
