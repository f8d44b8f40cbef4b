/** One request to one upstream, and what its counts and its breaker learn of it. Used by generator.ts and asking.ts. */
import type { IncomingMessage } from "node:http";
import { ShimmyError } from "../contract/errors.ts";
import type { TraceCall, TraceLink } from "../contract/tracing.ts";
import { connectionFailure } from "./client.ts";
import { UpstreamFailure } from "./failure.ts";
import type { Upstream } from "./upstream.ts";

export class Attempt {
  readonly #upstream: Upstream;
  readonly #signal: AbortSignal;
  /** Until anything else is known the caller has left. */
  #end: "answered" | "failed" | "refused" | "left" = "left";
  readonly #call: TraceCall | undefined;
  /** For the trace; absent: it went well. */
  #failure: string | undefined = "client_closed";
  /** Hung up on unless it was read to its end. */
  response: IncomingMessage | undefined;

  constructor(upstream: Upstream, signal: AbortSignal, trace?: TraceLink) {
    this.#upstream = upstream;
    this.#signal = signal;
    this.#call = trace && upstream.traced(trace);
    upstream.inFlight++;
  }

  get traceHeaders(): Readonly<Record<string, string>> {
    return this.#call?.headers ?? {};
  }

  answered(): void {
    this.#end = "answered";
    this.#failure = undefined;
    this.#upstream.answered();
  }

  /** @returns what is to be thrown on. */
  failed(thrown: unknown): unknown {
    const error = connectionFailure(thrown, this.#signal);
    this.#failure = error instanceof UpstreamFailure ? error.kind : ShimmyError.from(error).code;
    if (error instanceof UpstreamFailure) {
      this.#end = "failed";
      this.#upstream.failed(error);
    } else if (error instanceof ShimmyError && error.code !== "client_closed") this.#end = "refused";
    return error;
  }

  close(): void {
    this.#upstream.left(this.#end);
    this.#call?.end(this.#failure);
    if (this.#end !== "answered") this.response?.destroy();
  }
}
