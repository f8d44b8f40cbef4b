/**
 * Loads that failed, and when the next one may be tried: never a loop of starts. Kept by residents.ts. A file that has changed since is
 * tried at once, for it is another one.
 */
import type { ShimmyError } from "../contract/errors.ts";

export interface Failure {
  readonly error: ShimmyError;
  /** Identity of the file that failed (models/file-identity.ts). */
  readonly identity: string;
  readonly count: number;
  /** Milliseconds of the clock. */
  readonly retryAt: number;
}

const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

export class Backoff {
  readonly #failures = new Map<string, Failure>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** One more failure in a row: 1, 2, 4 … 60 seconds of rest. */
  failed(id: string, identity: string, error: ShimmyError): Failure {
    const before = this.#failures.get(id);
    const count = before?.identity === identity ? before.count + 1 : 1;
    const failure = { error, identity, count, retryAt: this.now() + Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(count - 1, 10)) };
    this.#failures.set(id, failure);
    return failure;
  }

  /** It answered. */
  succeeded(id: string): void {
    this.#failures.delete(id);
  }

  /** Forgets models that are no longer there. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#failures.keys()) if (!ids.has(id)) this.#failures.delete(id);
  }

  get(id: string): Failure | undefined {
    return this.#failures.get(id);
  }

  ids(): Iterable<string> {
    return this.#failures.keys();
  }

  /** Whole seconds until another try, at least 1; undefined if it may be tried now. */
  secondsLeft(id: string): number | undefined {
    const left = (this.#failures.get(id)?.retryAt ?? 0) - this.now();
    return left > 0 ? Math.max(1, Math.ceil(left / 1000)) : undefined;
  }
}
