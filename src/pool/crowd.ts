/**
 * Who waits for something or uses it, by urgency. Whoever comes counts only those who are as urgent: work that can wait (lines of batches)
 * turns nobody away who wants an answer now. Used where the pool refuses because too many wait.
 */
export class Crowd {
  readonly #byPriority = new Map<number, number>();

  /** One more. @returns takes it away again; further calls do nothing. */
  add(priority: number): () => void {
    this.#change(priority, 1);
    let here = true;
    return () => {
      if (here) this.#change(priority, -1);
      here = false;
    };
  }

  get size(): number {
    return this.upTo(Number.POSITIVE_INFINITY);
  }

  /** Those of this priority and of more urgent ones; larger is later, as in `GenerationRequest`. */
  upTo(priority: number): number {
    let sum = 0;
    for (const [each, count] of this.#byPriority) if (each <= priority) sum += count;
    return sum;
  }

  #change(priority: number, by: 1 | -1): void {
    const count = (this.#byPriority.get(priority) ?? 0) + by;
    if (count > 0) this.#byPriority.set(priority, count);
    else this.#byPriority.delete(priority);
  }
}
