/** One request to one upstream, and what its counts and its breaker learn of it. Used by generator.ts and asking.ts. */
import type { IncomingMessage } from "node:http";
import { ShimmyError } from "../contract/errors.ts";
import { connectionFailure } from "./client.ts";
import { UpstreamFailure } from "./failure.ts";
import type { Upstream } from "./upstream.ts";

export class Attempt {
  readonly #upstream: Upstream;
  readonly #signal: AbortSignal;
  /** Until anything else is known the caller has left. */
  #end: "answered" | "failed" | "refused" | "left" = "left";
  /** Hung up on unless it was read to its end. */
  response: IncomingMessage | undefined;

  constructor(upstream: Upstream, signal: AbortSignal) {
    this.#upstream = upstream;
    this.#signal = signal;
    upstream.inFlight++;
  }

  answered(): void {
    this.#end = "answered";
    this.#upstream.answered();
  }

  /** @returns what is to be thrown on. */
  failed(thrown: unknown): unknown {
    const error = connectionFailure(thrown, this.#signal);
    if (error instanceof UpstreamFailure) {
      this.#end = "failed";
      this.#upstream.failed(error);
    } else if (error instanceof ShimmyError && error.code !== "client_closed") this.#end = "refused";
    return error;
  }

  close(): void {
    this.#upstream.left(this.#end);
    if (this.#end !== "answered") this.response?.destroy();
  }
}
