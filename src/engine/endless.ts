/** Sampling of a request whose answer may not end by itself (`ignore_eos`). Called by loop.ts. */
import type { SamplingParams } from "../contract/generation.ts";
import type { LlamaModel } from "../llama/model.ts";
import type { GenerateMessage } from "./ipc.ts";

/** A bias that a sampler takes for a ban, minus infinity (llama/sampler.ts), as OpenAI's `logit_bias` has it. */
const BANNED = -100;

/**
 * With a ban on every token that would end the answer, if that is asked for, as llama-server does it. A bias of the caller cannot lift it.
 * `ends`: tokens that end this answer beside those that end every one. A grammar that is complete still ends it: that takes no token.
 */
export function samplingOf(
  model: Pick<LlamaModel, "endsOfGeneration">,
  { sampling, ignoreEnd }: Pick<GenerateMessage, "sampling" | "ignoreEnd">,
  ends: Iterable<number> = [],
): SamplingParams {
  if (!ignoreEnd) return sampling;
  const banned = new Set([...model.endsOfGeneration, ...ends]);
  return { ...sampling, logitBias: [...sampling.logitBias, ...[...banned].map((token) => [token, BANNED] as const)] };
}
