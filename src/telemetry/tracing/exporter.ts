/**
 * Sends spans to a collector: OTLP/HTTP with JSON, in batches, from a bounded queue. Fed by tracer.ts. What the collector does not take
 * is dropped and counted; a request never waits. There is a timer only while something is in the queue.
 * Source: opentelemetry.io, "OTLP specification", OTLP/HTTP and its JSON encoding.
 */
import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TraceSettings } from "./settings.ts";

export type AttributeValue = string | number;

/** As OTLP spells it. Ids are hexadecimal, times nanoseconds as decimal text. */
export interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** 1 internal, 2 server. */
  readonly kind: 1 | 2;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: ReadonlyArray<WireAttribute>;
  /** 0 unset, 2 error. */
  readonly status: { readonly code: 0 | 2 };
}

export interface WireAttribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string } | { readonly doubleValue: number };
}

export interface ExporterOptions
  extends Pick<TraceSettings, "url" | "headers" | "timeoutMs" | "resource" | "queueSize" | "batchSize" | "delayMs"> {
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
      const problem = await this.#send(JSON.stringify(this.#body(batch)));
      this.#options.count(problem === undefined ? "exported" : "dropped", batch.length);
      if (problem !== undefined) this.#warn(problem);
    }
  }

  #body(spans: readonly WireSpan[]) {
    const { resource, version } = this.#options;
    const attributes = [...attributesOf(resource), ...attributesOf({ "service.version": version, "process.pid": process.pid })];
    return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: "shimmy", version }, spans }] }] };
  }

  /** @returns what went wrong, for the log; undefined: it was taken. */
  async #send(body: string): Promise<string | undefined> {
    for (let tried = 1; ; tried++) {
      const answer = await this.#post(body);
      if (typeof answer === "number" && answer >= 200 && answer < 300) return undefined;
      const again = (typeof answer !== "number" || AGAIN.has(answer)) && !this.#closed;
      if (!again || tried === TRIES) return typeof answer === "number" ? `the collector answered ${answer}` : answer;
      await new Promise((resolve) => setTimeout(resolve, FIRST_REST_MS * 2 ** (tried - 1)).unref());
    }
  }

  #post(body: string): Promise<number | string> {
    const { url, headers, timeoutMs } = this.#options;
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve) => {
      const length = { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) };
      let sent: ClientRequest;
      try {
        sent = send(url, { method: "POST", headers: { ...headers, ...length }, timeout: timeoutMs });
      } catch (error) {
        return resolve(error instanceof Error ? error.message : String(error)); // a header that HTTP does not allow
      }
      sent.once("response", (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.once("timeout", () => sent.destroy(new Error(`the collector did not answer within ${timeoutMs} ms`)));
      sent.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      sent.end(body);
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
  return Object.entries(values).flatMap(([key, value]): WireAttribute[] => {
    if (value === undefined) return [];
    if (typeof value === "string") return [{ key, value: { stringValue: value } }];
    return [{ key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } }];
  });
}
