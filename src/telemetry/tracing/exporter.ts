/**
 * Sends spans to a collector: OTLP/HTTP with JSON, in batches, from a bounded queue. Fed by tracer.ts. What the collector does not take
 * is dropped and counted; a request never waits. There is a timer only while something is in the queue.
 * Source: opentelemetry.io, "OTLP specification", OTLP/HTTP and its JSON encoding.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { partly, post, type Verdict } from "./otlp-http.ts";
import type { TraceSettings } from "./settings.ts";

export type AttributeValue = string | number | readonly string[];

/** As OTLP spells it. Ids are hexadecimal, times nanoseconds as decimal text. */
export interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** Lowest eight bits: the flags of the trace (1 is sampled); 0x100: whether the parent is of another process is known, 0x200: it is. */
  readonly flags: number;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: 1 | 2 | 3;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: ReadonlyArray<WireAttribute>;
  /** 0 unset, 2 error. */
  readonly status: { readonly code: 0 | 2 };
}

export interface WireAttribute {
  readonly key: string;
  readonly value: WireValue;
}

type WireValue =
  | { readonly stringValue: string }
  /** 64 bits, so it is text. */
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: ReadonlyArray<{ readonly stringValue: string }> } };

export interface ExporterOptions
  extends Pick<TraceSettings, "url" | "headers" | "timeoutMs" | "gzip" | "tls" | "resource" | "queueSize" | "batchSize" | "delayMs"> {
  readonly version: string;
  readonly count: (outcome: "exported" | "dropped", spans: number) => void;
  readonly warn: (reason: string) => void;
}

/** Answers that say "later". */
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const TRIES = 3;
const FIRST_REST_MS = 500;
/** So that a collector that is away does not fill the log. */
const WARN_EVERY_MS = 60_000;

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #queue: WireSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  #wake: () => void = () => undefined;
  readonly #identity = { "service.instance.id": randomUUID(), "host.name": hostname() };

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Of one request: all of them or none. */
  add(spans: readonly WireSpan[]): void {
    const { queueSize, batchSize, delayMs } = this.#options;
    if (this.#closed || this.#queue.length + spans.length > queueSize) {
      this.#options.count("dropped", spans.length);
      return;
    }
    this.#queue.push(...spans);
    if (this.#queue.length >= batchSize) void this.#drain();
    else this.#timer ??= setTimeout(() => void this.#drain(), delayMs).unref();
  }

  /** Sends what is left, once, within `limitMs`; the rest is dropped. */
  async close(limitMs = 3000): Promise<void> {
    this.#closed = true;
    this.#wake();
    let late: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      late = setTimeout(resolve, limitMs);
    });
    await Promise.race([this.#drain(), limit]);
    clearTimeout(late);
  }

  /** One at a time. */
  #drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#options.batchSize);
      const { rejected, problem } = await this.#send(await this.#encoded(batch), batch.length);
      if (rejected < batch.length) this.#options.count("exported", batch.length - rejected);
      if (rejected > 0) this.#options.count("dropped", rejected);
      if (problem !== undefined) this.#warn(problem);
    }
  }

  async #encoded(spans: readonly WireSpan[]): Promise<Buffer> {
    const { resource, version, gzip } = this.#options;
    // Keys must be unique; what the environment says counts.
    const attributes = attributesOf({ ...this.#identity, "service.version": version, "process.pid": process.pid, ...resource });
    const body = { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: "shimmy", version }, spans }] }] };
    const text = Buffer.from(JSON.stringify(body));
    return gzip ? promisify((await import("node:zlib")).gzip)(text) : text;
  }

  async #send(body: Buffer, spans: number): Promise<Verdict> {
    for (let tried = 1; ; tried++) {
      const answer = await post(body, this.#options);
      if ("status" in answer && answer.status >= 200 && answer.status < 300) return partly(answer.text, spans);
      const again = (!("status" in answer) || AGAIN.has(answer.status)) && !this.#closed;
      const problem = "status" in answer ? `the collector answered ${answer.status}` : answer.problem;
      if (!again || tried === TRIES) return { rejected: spans, problem };
      const rest = Math.max(FIRST_REST_MS * 2 ** (tried - 1), "status" in answer ? answer.afterMs : 0);
      await this.#pause(rest);
    }
  }

  /** Cut short by the end of the server. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#closed) this.#wake();
    });
  }

  #warn(reason: string): void {
    const now = performance.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    this.#options.warn(reason);
  }
}

/** Without those that are undefined. */
export function attributesOf(values: Readonly<Record<string, AttributeValue | undefined>>): WireAttribute[] {
  return Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: wireValue(value) }]));
}

function wireValue(value: AttributeValue): WireValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "object") return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
