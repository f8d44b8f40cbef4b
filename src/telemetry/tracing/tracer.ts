/**
 * Requests as spans: one for the request, and one for each phase that took time (load, queue, prefill, decode). Loaded by assemble.ts
 * where OpenTelemetry's variables ask for traces. Prompts and answers are no attributes, nor is anything a client wrote but its ids.
 */
import { randomBytes } from "node:crypto";
import type { RequestTrace, TraceOutcome, Tracing } from "../../contract/tracing.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { formatTraceparent, parseTraceparent, type TraceContext, traceState } from "./context.ts";
import { attributesOf, Exporter, type WireSpan } from "./exporter.ts";
import { type TraceSettings, traceSettings } from "./settings.ts";

/** Probes are no requests. */
const UNTRACED: ReadonlySet<string> = new Set(["/health", "/metrics"]);

/** What app.ts calls a path that no route has: its text is the client's. */
const UNMATCHED = "unmatched";

/** `SpanFlags` of opentelemetry/proto/trace/v1/trace.proto. */
const SAMPLED = 1;
const PARENT_IS_KNOWN = 0x100;
const PARENT_IS_ELSEWHERE = 0x200;

export interface TracingParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly metrics: Pick<Metrics, "spans">;
  readonly log: Pick<Logger, "warn">;
  readonly version: string;
}

/** @returns undefined where the variables ask for something that is not there; the log says so. */
export function openTracing({ env, metrics, log, version }: TracingParts): Tracing | undefined {
  const warn = (reason: string) => log.warn("traces", { reason });
  const settings = traceSettings(env, warn);
  if (!settings) return undefined;
  const exporter = new Exporter({ ...settings, version, warn, count: (outcome, spans) => metrics.spans(outcome, spans) });
  return {
    begin: (route, headers) => (UNTRACED.has(route) ? undefined : begin(settings, exporter, route, headers)),
    close: () => exporter.close(),
  };
}

function begin(settings: TraceSettings, exporter: Exporter, route: string, headers: Headers): RequestTrace {
  const parent = parseTraceparent(headers.get("traceparent"));
  const traceId = parent?.traceId ?? randomBytes(16).toString("hex");
  const context = { traceId, spanId: randomBytes(8).toString("hex"), sampled: isSampled(settings.sampler, traceId, parent) };
  const state = parent && traceState(headers.get("tracestate"));
  const startedAt = performance.timeOrigin + performance.now();
  return {
    traceId,
    traceparent: formatTraceparent(context),
    end(outcome) {
      if (!context.sampled) return;
      const endedAt = performance.timeOrigin + performance.now();
      const request: WireSpan = {
        ...span(context, context.spanId, route === UNMATCHED ? outcome.method : `${outcome.method} ${route}`, startedAt, endedAt),
        ...(parent && { parentSpanId: parent.spanId, flags: SAMPLED | PARENT_IS_KNOWN | PARENT_IS_ELSEWHERE }),
        ...(state !== undefined && { traceState: state }),
        kind: 2,
        attributes: attributesOf(requestAttributes(route, outcome)),
        status: { code: outcome.status >= 500 ? 2 : 0 },
      };
      exporter.add([request, ...phases(context, outcome, startedAt, endedAt)]);
    },
  };
}

/** The share by the id, so that all parts of a trace decide alike. */
function isSampled({ parentBased, ratio }: TraceSettings["sampler"], traceId: string, parent: TraceContext | undefined): boolean {
  if (parentBased && parent) return parent.sampled;
  return Number.parseInt(traceId.slice(-13), 16) < ratio * 16 ** 13;
}

/** Names of OpenTelemetry's semantic conventions (http/http-spans.md, gen-ai/gen-ai-spans.md), where it has one. */
function requestAttributes(route: string, outcome: TraceOutcome) {
  const { id, method, path, status, model, askedModel, operation, code, finishReasons, firstMs } = outcome;
  const { promptTokens, completionTokens, cachedTokens } = outcome;
  return {
    "http.request.method": method,
    "http.route": route === UNMATCHED ? undefined : route,
    "url.path": route === UNMATCHED ? undefined : path,
    "url.scheme": "http",
    "http.response.status_code": status,
    "error.type": status >= 400 ? (code ?? String(status)) : undefined,
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": operation && "shimmy",
    "gen_ai.request.model": operation && askedModel,
    "gen_ai.response.model": model,
    "gen_ai.response.finish_reasons": finishReasons,
    "gen_ai.usage.input_tokens": promptTokens,
    "gen_ai.usage.output_tokens": completionTokens,
    "gen_ai.usage.cache_read.input_tokens": cachedTokens,
    "shimmy.request_id": id,
    "shimmy.time_to_first_token_ms": firstMs,
  };
}

/**
 * Backwards from the first piece of the answer: the engine measures the phases, and only that moment is known on both sides.
 * Without one there are no phases.
 */
function phases(context: TraceContext, outcome: TraceOutcome, startedAt: number, endedAt: number): WireSpan[] {
  const { firstMs, loadMs = 0, queueMs = 0, promptMs = 0, predictedMs = 0 } = outcome;
  if (firstMs === undefined || outcome.queueMs === undefined) return [];
  const first = Math.min(startedAt + firstMs, endedAt);
  const within = (time: number) => Math.min(Math.max(time, startedAt), endedAt);
  const prefill = within(first - promptMs);
  const queue = within(prefill - queueMs);
  const spans = [
    ...(loadMs > 0 ? [["load", within(queue - loadMs), queue] as const] : []),
    ["queue", queue, prefill] as const,
    ["prefill", prefill, first] as const,
    ["decode", first, within(first + predictedMs)] as const,
  ];
  return spans.map(([name, from, to]) => ({
    ...span(context, randomBytes(8).toString("hex"), name, from, to),
    ...{ parentSpanId: context.spanId, kind: 1 as const, attributes: [], status: { code: 0 as const } },
  }));
}

/** Times in milliseconds since the epoch. */
function span({ traceId }: TraceContext, spanId: string, name: string, from: number, to: number) {
  const flags = SAMPLED | PARENT_IS_KNOWN;
  return { traceId, spanId, name, flags, startTimeUnixNano: nanoseconds(from), endTimeUnixNano: nanoseconds(to) };
}

function nanoseconds(ms: number): string {
  return (BigInt(Math.round(ms * 1000)) * 1000n).toString();
}
