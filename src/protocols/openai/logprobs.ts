/** Log probabilities as chat has them: a list with bytes. Called by the encoders; legacy completions have lists of their own. */
import type { ChatCompletionTokenLogprob } from "openai/resources/chat/completions";
import type { TokenLogprob } from "../../contract/generation.ts";

/** `ignoreBOM` keeps a byte order mark that a model writes; the decoder would swallow it. */
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** A part of a character shows as U+FFFD in `token`; `bytes` has the truth. */
export function chatLogprobs(tokens: readonly TokenLogprob[]): { content: ChatCompletionTokenLogprob[]; refusal: null } {
  const content = tokens.map((token) => ({ ...chatEntry(token), top_logprobs: token.top.map(chatEntry) }));
  return { content, refusal: null };
}

export function chatEntry({ bytes, logprob }: { readonly bytes: Uint8Array; readonly logprob: number }) {
  return { token: lenient.decode(bytes), logprob: finite(logprob), bytes: Array.from(bytes) };
}

/** JSON has no −∞; OpenAI writes −9999 for "very unlikely". */
export function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : -9999;
}
