/**
 * Which requests have waited too long for their turn. Told and asked by loop.ts between steps; a request of which anything has begun
 * waits no more. Pure: the clock is handed in.
 */
export class WaitLimit {
  readonly #limitMs: number;
  /** Request → when it arrived, in this order. */
  readonly #waiting = new Map<number, number>();

  /** `limitMs`: 0 is without limit. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  arrived(id: number, nowMs: number): void {
    if (this.#limitMs > 0) this.#waiting.set(id, nowMs);
  }

  /** It has begun, or it is not wanted any more. */
  left(id: number): void {
    this.#waiting.delete(id);
  }

  /** Those whose time is over, and for how long they have waited; each is told once. */
  overdue(nowMs: number): Array<{ readonly id: number; readonly waitedMs: number }> {
    const over: Array<{ id: number; waitedMs: number }> = [];
    for (const [id, arrivedMs] of this.#waiting) {
      const waitedMs = nowMs - arrivedMs;
      if (waitedMs < this.#limitMs) break; // whoever came later has waited less
      over.push({ id, waitedMs });
      this.#waiting.delete(id);
    }
    return over;
  }
}
