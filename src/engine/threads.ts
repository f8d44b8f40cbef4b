/**
 * How many threads compute the next step. Threads of a step meet at a barrier several hundred times and spin there, so when
 * another program takes one of their cores all of them wait for its time slice at every barrier: measured on two cores with one
 * of them busy, a step that takes 44 ms with one thread took 2.4 s with two. Short interruptions, such as the gateway's, cost
 * less than a thread is worth. Asked and told by loop.ts. Pure: the clock is handed in.
 *
 * Down at once, when cores were missing and the step took longer than fewer threads would have. Up only when cores stood idle
 * for a while, since trying costs seconds; each time it was wrong that while doubles. Where idle cores are not known, time
 * alone decides when to try.
 */
import { StepCost } from "./step-cost.ts";

export interface StepTimes {
  readonly tokens: number;
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
/** Cores that may be missing in an undisturbed step. */
const TOLERATED_CORES = 0.3;
/** How much slower than with one thread less a step must be before one is taken away. */
const MARGIN = 1.3;
/** How much of a core must be idle to be worth a thread. */
const WORTH_A_THREAD = 0.5;
const CONFIRMATIONS = { least: 2, most: 64 } as const;
const PAUSE_MS = { least: 1000, most: 60_000 } as const;
/** Undisturbed windows after which past mistakes are forgotten. */
const FORGIVEN_AFTER = 200;

export class ThreadGovernor {
  readonly #most: number;
  readonly #cost = new StepCost();
  #threads: number;
  #window = { wallMs: 0, cpuMs: 0, expectedMs: 0 };
  #knowsIdle = false;
  #idleSeen = 0;
  #confirmations: number = CONFIRMATIONS.least;
  #pauseMs: number = PAUSE_MS.least;
  #trialAtMs = 0;
  #calm = 0;

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
    this.#setThreads(Math.floor(idleCores + WORTH_A_THREAD));
  }

  /** What a step took with `threads` threads. */
  observe({ tokens, wallMs, cpuMs, nowMs, idleCores }: StepTimes): void {
    const missing = this.#threads - cpuMs / wallMs;
    if (missing <= TOLERATED_CORES) this.#cost.learn(tokens, wallMs * this.#threads);
    this.#window.wallMs += wallMs;
    this.#window.cpuMs += cpuMs;
    // Never learned yet: nothing to compare with, so missing cores alone decide.
    this.#window.expectedMs += (this.#cost.expected(tokens) ?? 0) / this.#threads;
    if (this.#window.wallMs >= WINDOW_MS) this.#judge(nowMs);
    if (idleCores !== undefined) this.#seeIdle(idleCores);
  }

  #judge(nowMs: number): void {
    const { wallMs, cpuMs, expectedMs } = this.#window;
    this.#window = { wallMs: 0, cpuMs: 0, expectedMs: 0 };
    const missing = this.#threads - cpuMs / wallMs;
    const fewer = Math.max(1, this.#threads - Math.ceil(missing));
    const disturbed = missing > TOLERATED_CORES && wallMs > MARGIN * expectedMs * (this.#threads / fewer);
    if (this.#threads > 1 && disturbed) this.#retreat(fewer, nowMs);
    else this.#endure(nowMs);
  }

  #retreat(threads: number, nowMs: number): void {
    this.#setThreads(threads);
    this.#confirmations = Math.min(2 * this.#confirmations, CONFIRMATIONS.most);
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.most);
    this.#trialAtMs = nowMs + this.#pauseMs;
    this.#calm = 0;
  }

  #endure(nowMs: number): void {
    if (this.#threads < this.#most) {
      if (!this.#knowsIdle && nowMs >= this.#trialAtMs) this.#setThreads(this.#threads + 1);
    } else if (++this.#calm >= FORGIVEN_AFTER) {
      this.#confirmations = CONFIRMATIONS.least;
      this.#pauseMs = PAUSE_MS.least;
    }
  }

  #seeIdle(idleCores: number): void {
    this.#knowsIdle = true;
    this.#idleSeen = idleCores >= WORTH_A_THREAD ? this.#idleSeen + 1 : 0;
    if (this.#idleSeen >= this.#confirmations) this.#setThreads(this.#threads + Math.floor(idleCores + WORTH_A_THREAD));
  }

  #setThreads(threads: number): void {
    this.#threads = Math.max(1, Math.min(this.#most, threads));
    this.#idleSeen = 0;
    this.#window = { wallMs: 0, cpuMs: 0, expectedMs: 0 }; // other steps say nothing about these
  }
}
