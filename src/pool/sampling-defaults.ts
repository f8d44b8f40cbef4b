/**
 * Sampling when the caller says nothing: the values of llama.cpp's server (common_params_sampling), not OpenAI's
 * temperature 1 and top_p 1, because small quantised models ramble there and people compare local servers with each other.
 * Called by engine-message.ts for what neither the request nor the model says.
 */
import type { SamplingParams } from "../contract/generation.ts";

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
