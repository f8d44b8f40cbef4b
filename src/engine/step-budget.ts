/**
 * How many tokens a step may compute, so that it takes about as long as it should: readers wait for a whole step, and so do aborts
 * and arrivals. Asked and told by loop.ts. Pure.
 */

/** Budgets are multiples of this, so that the parts of a prompt do not depend on every millisecond. */
const GRAIN = 16;
/** A new budget must differ this much from the old one. */
const WORTH_A_CHANGE = 1.25;
/** When nobody reads, only aborts and arrivals wait: larger parts are a little faster. */
const ALONE = 4;
/** Before anything was measured. */
const FIRST_MS_PER_TOKEN = 1;
const SMOOTHING = 0.3;

export class StepBudget {
  readonly #most: number;
  readonly #targetMs: number;
  #msPerToken = FIRST_MS_PER_TOKEN;
  #measured = false;
  #perStep = 0;
  #latest = 0;

  /** `most`: what the context can take in one step. `targetMs`: how long a step with readers should take. */
  constructor(most: number, targetMs: number) {
    this.#most = most;
    this.#targetMs = targetMs;
  }

  /** Tokens for the next step, at least one for each of the `decoding` sequences. */
  tokens(decoding: number): number {
    const wanted = this.#targetMs / this.#msPerToken;
    if (wanted > this.#perStep * WORTH_A_CHANGE || wanted < this.#perStep / WORTH_A_CHANGE) this.#perStep = wanted;
    const budget = Math.max(1, Math.round((this.#perStep * (decoding > 0 ? 1 : ALONE)) / GRAIN)) * GRAIN;
    this.#latest = Math.min(this.#most, decoding + budget);
    return this.#latest;
  }

  /** The latest answer of `tokens`; 0 before the first. */
  get latest(): number {
    return this.#latest;
  }

  /** What a step of `tokens` took. Only those with a piece of a prompt in them tell what a prompt costs, however many sequences decode. */
  observe(promptTokens: number, tokens: number, wallMs: number): void {
    if (promptTokens < GRAIN) return;
    const msPerToken = wallMs / tokens;
    this.#msPerToken = this.#measured ? (1 - SMOOTHING) * this.#msPerToken + SMOOTHING * msPerToken : msPerToken;
    this.#measured = true;
  }
}
