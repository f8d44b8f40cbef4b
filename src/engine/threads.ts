/**
 * How many threads compute the next step. Threads of a step meet at a barrier several hundred times and spin there, so when
 * another program takes one of their cores all of them wait for its time slice at every barrier: measured on two cores with one
 * of them busy, a step that takes 44 ms with one thread took 2.4 s with two. Asked and told by loop.ts. Pure: the clock is handed in.
 *
 * Down at once, when a step's threads were not all running. Up only when cores stood idle, twice in a row: trying costs seconds.
 * Where idle cores are not known, one more thread is tried after a pause, which doubles each time it was wrong.
 */

export interface StepTimes {
  /** Milliseconds from beginning to end of the computation. */
  readonly wallMs: number;
  /** CPU milliseconds of all its threads together. */
  readonly cpuMs: number;
  /** A clock that never goes back. */
  readonly nowMs: number;
  /** Cores that stood idle lately beside those that computed; absent: not measured since the last step. */
  readonly idleCores?: number | undefined;
}

/** Short steps are judged together: the kernel's accounting and other programs' wake-ups are noise below this. */
const WINDOW_MS = 20;
/** Cores that may be missing before threads are taken away: the gateway and the system need a little of them too. */
const TOLERATED_CORES = 0.3;
/** How much of a core must be idle to be worth a thread. */
const WORTH_A_THREAD = 0.8;
const CONFIRMATIONS = 2;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

export class ThreadGovernor {
  readonly #most: number;
  #threads: number;
  #wallMs = 0;
  #cpuMs = 0;
  #idleSeen = 0;
  #knowsIdle = false;
  #pauseMs = FIRST_PAUSE_MS;
  #trialAtMs = 0;

  constructor(most: number) {
    this.#most = most;
    this.#threads = most;
  }

  get threads(): number {
    return this.#threads;
  }

  /** Nothing was computed for a while; `idleCores` is what was free in that time, if it is known. */
  resume(idleCores: number | undefined): void {
    if (idleCores === undefined) return;
    this.#knowsIdle = true;
    this.#threads = Math.max(1, Math.min(this.#most, Math.floor(idleCores + TOLERATED_CORES)));
  }

  /** What a step took with `threads` threads. */
  observe({ wallMs, cpuMs, nowMs, idleCores }: StepTimes): void {
    this.#wallMs += wallMs;
    this.#cpuMs += cpuMs;
    if (this.#wallMs >= WINDOW_MS) this.#judge(nowMs);
    if (idleCores !== undefined) this.#seeIdle(idleCores);
  }

  #judge(nowMs: number): void {
    const missing = this.#threads - this.#cpuMs / this.#wallMs;
    this.#startWindow();
    if (this.#threads > 1 && missing > TOLERATED_CORES) this.#retreat(missing, nowMs);
    else if (!this.#knowsIdle) this.#maybeTry(nowMs);
  }

  #startWindow(): void {
    this.#wallMs = 0;
    this.#cpuMs = 0;
  }

  #seeIdle(idleCores: number): void {
    this.#knowsIdle = true;
    this.#idleSeen = idleCores >= WORTH_A_THREAD ? this.#idleSeen + 1 : 0;
    if (this.#idleSeen < CONFIRMATIONS) return;
    this.#idleSeen = 0;
    this.#threads = Math.min(this.#most, this.#threads + Math.floor(idleCores + 1 - WORTH_A_THREAD));
    this.#startWindow(); // steps of fewer threads say nothing about these
  }

  #retreat(missing: number, nowMs: number): void {
    this.#threads = Math.max(1, this.#threads - Math.ceil(missing));
    this.#idleSeen = 0;
    this.#trialAtMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  #maybeTry(nowMs: number): void {
    if (this.#threads === this.#most) this.#pauseMs = FIRST_PAUSE_MS;
    else if (nowMs >= this.#trialAtMs) this.#threads++;
  }
}
