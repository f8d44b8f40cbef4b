/** Requests for Shimmy Tiny that take as long as a test needs: it never ends by itself, or computes a prompt for seconds. */

/** Every token that would end an answer of Shimmy Tiny; the first is `<|endoftext|>` or the padding, all ids up to the last. */
const ENDS = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [2038 + i, -100]));

/** For /v1/completions: writes until the context is full. */
export const ENDLESS = { model: "shimmy-tiny", prompt: "Once upon a time", temperature: 0, logit_bias: ENDS, max_tokens: 100_000 };

/** For /v1/completions: a prompt of so many tokens, then one token. */
export function longPrompt(tokens: number) {
  return { model: "shimmy-tiny", prompt: tokenPrompt(tokens), temperature: 0, max_tokens: 1 };
}

/** Ordinary tokens that follow no pattern. */
export function tokenPrompt(length: number): number[] {
  return Array.from({ length }, (_, i) => 300 + ((i * 7919) % 1500));
}

/** A context in which both of them take seconds. */
export const WIDE = ["--ctx", "16384"] as const;
