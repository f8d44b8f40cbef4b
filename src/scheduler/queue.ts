/**
 * Who is next: fair between tenants, later for lower priority, and nobody waits for ever. Used by scheduler.ts. Pure.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng 1996): an arrival is tagged with the work at which its tenant's turn comes, and the
 * smallest tag is next. A tenant that sends much at once queues behind itself; one that sends little comes in between. The clock is
 * the start that was admitted last, so every tag is reached. A priority delays the tag only: what waits long for its turn, once it is
 * admitted, must not put the clock forward, or its like who still wait would come before whoever arrives then.
 */
import { type Arrival, Sequence } from "./sequence.ts";

/** The work of an answer whose length nobody knows, in tokens. */
const USUAL_ANSWER = 256;
/** How much work of others a step of priority lets pass, in tokens. */
const PRIORITY_STEP = 100_000;

export class FairQueue {
  #waiting: Sequence[] = [];
  #clock = 0;
  /** Tenant → the tag at which its next arrival starts. */
  readonly #turns = new Map<string, number>();

  get length(): number {
    return this.#waiting.length;
  }

  /** In the order in which they should be admitted. */
  *[Symbol.iterator](): Generator<Sequence> {
    yield* [...this.#waiting];
  }

  arrive(arrival: Arrival): void {
    const tenant = arrival.tenant ?? "";
    const start = Math.max(this.#clock, this.#turns.get(tenant) ?? 0);
    this.#turns.set(tenant, start + arrival.prompt.length + Math.min(arrival.maxTokens, USUAL_ANSWER));
    const sequence = new Sequence(arrival, start + PRIORITY_STEP * (arrival.priority ?? 0), start);
    const later = this.#waiting.findIndex(({ tag }) => tag > sequence.tag);
    this.#waiting.splice(later < 0 ? this.#waiting.length : later, 0, sequence);
  }

  /** Before all others: it was admitted once already. */
  putBack(sequence: Sequence): void {
    this.#waiting.unshift(sequence);
  }

  /** It is admitted. */
  take(sequence: Sequence): void {
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
    this.#clock = Math.max(this.#clock, sequence.start);
    // Turns that the clock has passed say nothing any more.
    for (const [tenant, turn] of this.#turns) if (turn <= this.#clock) this.#turns.delete(tenant);
  }

  /** It is not wanted any more. */
  remove(key: number): void {
    this.#waiting = this.#waiting.filter((sequence) => sequence.key !== key);
  }
}
