/**
 * What a step of so many tokens costs when nothing disturbs it, in thread-milliseconds, learned from undisturbed steps. Used by
 * threads.ts to tell a slow step from a large one. Pure.
 */

/** A learned cost drifts up by this at each lesson, so that longer contexts are not taken for disturbance. */
const DRIFT = 1.02;

export class StepCost {
  /** Size class → least thread-milliseconds a token. */
  readonly #perToken = new Map<number, number>();

  learn(tokens: number, threadMs: number): void {
    const size = sizeClass(tokens);
    const known = this.#perToken.get(size) ?? Number.POSITIVE_INFINITY;
    this.#perToken.set(size, Math.min(known * DRIFT, threadMs / tokens));
  }

  /** Undefined before the first lesson. Of a size not seen yet, that of the next smaller one: larger steps cost no more a token. */
  expected(tokens: number): number | undefined {
    let best: { size: number; perToken: number } | undefined;
    const size = sizeClass(tokens);
    for (const [known, perToken] of this.#perToken) {
      if (known <= size && (!best || known > best.size)) best = { size: known, perToken };
    }
    return best && best.perToken * tokens;
  }
}

/** Each number of decoding sequences by itself, prompts by quarters of a doubling. */
function sizeClass(tokens: number): number {
  return tokens <= 32 ? tokens : 12 + Math.floor(4 * Math.log2(tokens));
}
