/**
 * Log probabilities of a sampled token and of the likeliest ones, from raw logits: before temperature and penalties, as
 * OpenAI and llama-server report them. Called by the loop only when a request asks: a row of 49 k logits costs about 1 ms.
 */
import type { TokenLogprob } from "../contract/generation.ts";

export interface RankedToken {
  readonly token: number;
  readonly logprob: number;
}

/** `logits`: one row, a number for each token of the vocabulary. `top`: how many, best first. */
export function logprobs(logits: Float32Array, token: number, top: number): { logprob: number; top: RankedToken[] } {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  const normalizer = max + Math.log(sum);
  return {
    logprob: logits[token]! - normalizer,
    top: likeliest(logits, top).map((id) => ({ token: id, logprob: logits[id]! - normalizer })),
  };
}

/** The same for an event. `piece`: the bytes of a token. */
export function tokenLogprob(logits: Float32Array, token: number, count: number, piece: (token: number) => Uint8Array): TokenLogprob {
  const { logprob, top } = logprobs(logits, token, count);
  return { token, bytes: piece(token), logprob, top: top.map((other) => ({ ...other, bytes: piece(other.token) })) };
}

/** The ids of the `count` largest logits, largest first; of equal ones the lower id. `count` is small, so insertion wins. */
function likeliest(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!;
    if (best.length === count && value <= logits[best[count - 1]!]!) continue;
    let at = best.length === count ? count - 1 : best.length;
    while (at > 0 && logits[best[at - 1]!]! < value) {
      best[at] = best[at - 1]!;
      at--;
    }
    best[at] = id;
  }
  return best;
}
