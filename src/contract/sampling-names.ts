/** How callers spell the sampling parameters: the names of llama.cpp and OpenAI. For answers and lists that tell them. */
import type { SamplingParams } from "./generation.ts";

export const SAMPLING_NAMES: Readonly<Record<keyof SamplingParams, string>> = {
  temperature: "temperature",
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
  typicalP: "typical_p",
  repeatPenalty: "repeat_penalty",
  repeatLastN: "repeat_last_n",
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
  logitBias: "logit_bias",
  mirostat: "mirostat",
  mirostatTau: "mirostat_tau",
  mirostatEta: "mirostat_eta",
  seed: "seed",
};

/** `{ topK: 40 }` → `{ top_k: 40 }` */
export function spelled(sampling: Partial<SamplingParams>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(sampling).map(([key, value]) => [SAMPLING_NAMES[key as keyof SamplingParams], value]));
}
