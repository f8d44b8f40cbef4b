/**
 * Whether an upstream is asked: a circuit breaker. Pure but for the clock it is given; used by upstream.ts.
 *
 *   closed ──one that cannot be reached, or three failures in a row──▶ open ──a probe succeeds──▶ half-open ──an answer──▶ closed
 *                                                                       ▲                             │
 *                                                                       └──── a failure, rest doubled ┘
 */
export type BreakerState = "closed" | "open" | "half-open";

const FAILURES_TO_OPEN = 3;
const FIRST_REST_MS = 1000;
const LONGEST_REST_MS = 60_000;

export class Breaker {
  state: BreakerState = "closed";
  /** Why it is open. */
  reason = "";
  opened = 0;
  #failures = 0;
  #restMs = 0;
  #until = 0;
  readonly #now: () => number;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** One request at a time may try whether it is well again. */
  admits(inFlight: number): boolean {
    return this.state === "closed" || (this.state === "half-open" && inFlight === 0);
  }

  succeeded(): void {
    this.#failures = 0;
    // What began before it was opened and ends well now says nothing of what begins now.
    if (this.state !== "half-open") return;
    this.state = "closed";
    this.#restMs = 0;
  }

  /** `atOnce`: it cannot be reached, so there is no use in trying again. @returns whether this failure has opened it */
  failed(reason: string, atOnce: boolean): boolean {
    this.#failures++;
    if (this.state === "open" || (this.state === "closed" && !atOnce && this.#failures < FAILURES_TO_OPEN)) return false;
    this.state = "open";
    this.opened++;
    this.#rest(reason);
    return true;
  }

  /** The result of a probe while it is open. */
  probed(reason: string | undefined): void {
    if (this.state !== "open") return;
    if (reason === undefined) this.state = "half-open";
    else this.#rest(reason);
  }

  /** Until it may be probed, in milliseconds. */
  get restMs(): number {
    return this.state === "open" ? Math.max(0, this.#until - this.#now()) : 0;
  }

  #rest(reason: string): void {
    this.reason = reason;
    this.#restMs = Math.min(LONGEST_REST_MS, Math.max(FIRST_REST_MS, this.#restMs * 2));
    this.#until = this.#now() + this.#restMs;
  }
}
