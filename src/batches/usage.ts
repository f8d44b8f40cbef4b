/** The tokens of a batch: what its answers say of theirs, in the words of chats or of the Responses API. Called by results.ts. */
import type { BatchUsage } from "../contract/batches.ts";

export const NO_USAGE: BatchUsage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 };

/** @param body of an answer, of unknown shape */
export function addUsage(sum: BatchUsage, body: unknown): BatchUsage {
  const usage = field(body, "usage");
  if (usage === undefined) return sum;
  return {
    inputTokens: sum.inputTokens + count(usage, "prompt_tokens", "input_tokens"),
    cachedTokens: sum.cachedTokens + detail(usage, "cached_tokens", "prompt_tokens_details", "input_tokens_details"),
    outputTokens: sum.outputTokens + count(usage, "completion_tokens", "output_tokens"),
    reasoningTokens: sum.reasoningTokens + detail(usage, "reasoning_tokens", "completion_tokens_details", "output_tokens_details"),
  };
}

function detail(usage: unknown, name: string, ...holders: readonly string[]): number {
  return holders.reduce((sum, holder) => sum + count(field(usage, holder), name), 0);
}

function count(value: unknown, ...names: readonly string[]): number {
  const found = names.map((name) => field(value, name)).find((each) => typeof each === "number");
  return typeof found === "number" && Number.isFinite(found) ? found : 0;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
