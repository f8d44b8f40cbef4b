/** Traces of requests: what the door begins and ends. Given by telemetry/tracing/, and only where OpenTelemetry's variables ask for it. */

/** How a request ended; times in milliseconds. */
export interface TraceOutcome {
  readonly id: string;
  readonly method: string;
  /** Of the address, without its query. */
  readonly path: string;
  readonly status: number;
  readonly model?: string;
  /** The id of the model that was asked for; absent where another one answered: what a client wrote is not told. */
  readonly askedModel?: string;
  readonly operation?: string;
  /** Of each choice that has ended. */
  readonly finishReasons?: readonly string[];
  readonly code?: string;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
  readonly firstMs?: number;
  readonly loadMs?: number;
  readonly queueMs?: number;
  readonly promptMs?: number;
  readonly predictedMs?: number;
}

export interface RequestTrace {
  readonly traceId: string;
  /** W3C, for what is asked elsewhere and for the answer. */
  readonly traceparent: string;
  /** Once. */
  end(outcome: TraceOutcome): void;
}

export interface Tracing {
  /** @returns undefined for probes. `headers`: `traceparent` and `tracestate` of the caller, if they are valid. */
  begin(route: string, headers: Headers): RequestTrace | undefined;
  /** Sends what is left, with a limit. */
  close(): Promise<void>;
}
