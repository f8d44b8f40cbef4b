/** How many requests of batches are under way at once. Batches take turns, for each waits with one request at a time. Called by run.ts. */

export class Gate {
  readonly #limit: () => Promise<number>;
  #inside = 0;
  #waiting: Array<() => void> = [];
  #admitting = false;

  /** @param limit asked before each admission, at least 1 counts */
  constructor(limit: () => Promise<number>) {
    this.#limit = limit;
  }

  /** @returns false if the signal was aborted while it waited; else `leave` must follow. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const admit = () => {
        signal.removeEventListener("abort", giveUp);
        this.#inside++;
        resolve(true);
      };
      const giveUp = () => {
        this.#waiting = this.#waiting.filter((each) => each !== admit);
        resolve(false);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(admit);
      void this.#admit();
    });
  }

  leave(): void {
    this.#inside--;
    void this.#admit();
  }

  async #admit(): Promise<void> {
    if (this.#admitting) return; // it looks again after each
    this.#admitting = true;
    while (this.#waiting.length > 0) {
      const limit = await this.#limit().catch(() => 1); // not known now: carefully
      if (this.#inside >= Math.max(1, limit)) break;
      this.#waiting.shift()?.();
    }
    this.#admitting = false;
  }
}
