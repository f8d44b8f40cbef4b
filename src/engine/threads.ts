/**
 * How many threads compute the next step. Threads of a step meet at a barrier several hundred times and spin there, so when
 * another program takes one of their cores all of them wait for its time slice: two threads on two busy cores give 5 tokens a
 * second where one gives 60. So the threads are as many as the kernel really runs at once, found out from the steps themselves.
 * Asked and told by loop.ts. Pure: the clock is handed in.
 *
 *     all ──cores were missing──▶ fewer ──after a pause──▶ one more, on trial ──they ran──▶ … ──▶ all
 *                                   ▲                            │
 *                                   └── missing again: the pause doubles
 */

export interface StepTimes {
  /** Milliseconds from beginning to end of the computation. */
  readonly wallMs: number;
  /** CPU milliseconds of all its threads together. */
  readonly cpuMs: number;
  /** A clock that never goes back. */
  readonly nowMs: number;
}

/** Short steps are judged together: the kernel's accounting and other programs' wake-ups are noise below this. */
const WINDOW_MS = 20;
/** Cores that may be missing before threads are taken away: the gateway and the system need a little of them too. */
const TOLERATED_CORES = 0.3;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

export class ThreadGovernor {
  readonly #most: number;
  #threads: number;
  #wallMs = 0;
  #cpuMs = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #trialAtMs = 0;

  constructor(most: number) {
    this.#most = most;
    this.#threads = most;
  }

  get threads(): number {
    return this.#threads;
  }

  /** What a step took with `threads` threads. */
  observe({ wallMs, cpuMs, nowMs }: StepTimes): void {
    this.#wallMs += wallMs;
    this.#cpuMs += cpuMs;
    if (this.#wallMs < WINDOW_MS) return;
    const missing = this.#threads - this.#cpuMs / this.#wallMs;
    this.#wallMs = 0;
    this.#cpuMs = 0;
    if (this.#threads > 1 && missing > TOLERATED_CORES) this.#retreat(missing, nowMs);
    else if (this.#threads < this.#most && nowMs >= this.#trialAtMs) this.#threads++;
    else if (this.#threads === this.#most) this.#pauseMs = FIRST_PAUSE_MS;
  }

  #retreat(missing: number, nowMs: number): void {
    this.#threads = Math.max(1, this.#threads - Math.ceil(missing));
    this.#trialAtMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }
}
