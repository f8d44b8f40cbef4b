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

/** What is asked elsewhere for the sake of a request belongs to its trace. Plain data. */
export interface TraceLink {
  /** To be sent with it, where it has no span of its own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: the trace is the caller's alone. */
  readonly span?: { readonly traceId: string; readonly spanId: string; readonly sampled: boolean };
}

export interface RequestTrace {
  /** Absent: it is passed on, and nothing is told of it. */
  readonly traceId?: string;
  /** W3C, for the answer. */
  readonly traceparent?: string;
  readonly link: TraceLink;
  /** Once. */
  end(outcome: TraceOutcome): void;
}

/** A question to another server. */
export interface TraceCall {
  /** To be sent with it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Once. @param failure a word of ours for what went wrong; absent: it answered */
  end(failure?: string): void;
}

export interface Tracing {
  /** @returns undefined for probes. `headers`: those of the caller; what is invalid of them is passed over. */
  begin(route: string, headers: Headers): RequestTrace | undefined;
  /** A span below that of the request. @param server its name here, and where it is */
  call(link: TraceLink, server: { readonly name: string; readonly url: string }): TraceCall;
  /** Sends what is left, with a limit. */
  close(): Promise<void>;
}
