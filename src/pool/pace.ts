/** How long an answer takes lately, to tell when a queue will have moved on. One for each loaded model. */
export class Pace {
  #averageMs: number | undefined;

  finished(ms: number): void {
    this.#averageMs = this.#averageMs === undefined ? ms : 0.8 * this.#averageMs + 0.2 * ms;
  }

  /** Seconds, at least 1, until `waiting` requests have been taken up by `slots` places. */
  secondsUntil(waiting: number, slots: number): number {
    const rounds = Math.max(1, waiting) / slots;
    return Math.max(1, Math.ceil(((this.#averageMs ?? 1000) * rounds) / 1000));
  }
}
