/**
 * Requests as spans: one for the request, one for each phase that took time (load, queue, prefill, decode), one for each question to an
 * upstream. Loaded by assemble.ts where OpenTelemetry's variables ask for traces. Prompts and answers are no attributes, nor is anything a client wrote but its ids.
 */
import { randomBytes } from "node:crypto";
import type { RequestTrace, TraceCall, TraceLink, TraceOutcome, Tracing } from "../../contract/tracing.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { formatTraceparent, type TraceContext } from "./context.ts";
import { attributesOf, Exporter, type WireSpan } from "./exporter.ts";
import { headersOf, luggageOf, type ParentContext, type Propagator, parentOf, propagatorsOf, relayed } from "./propagation.ts";
import { type TraceSettings, traceSettings } from "./settings.ts";
import { wantsTraces } from "./wanted.ts";

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
  const propagators = propagatorsOf(env.OTEL_PROPAGATORS, warn);
  const settings = wantsTraces(env) ? traceSettings(env, warn) : undefined;
  if (!settings) return env.OTEL_PROPAGATORS ? relay(propagators) : undefined;
  const exporter = new Exporter({ ...settings, version, warn, count: (outcome, spans) => metrics.spans(outcome, spans) });
  return {
    begin: (route, headers) => (UNTRACED.has(route) ? undefined : begin({ settings, exporter, propagators }, route, headers)),
    call: (link, server) => call({ exporter, propagators }, link, server),
    close: () => exporter.close(),
  };
}

/** Without spans of our own: as OpenTelemetry has it, propagators are there also where nothing is exported. */
function relay(propagators: readonly Propagator[]): Tracing {
  const end = () => undefined;
  return {
    begin: (_, headers) => ({ link: { headers: relayed(propagators, headers) }, end }),
    call: ({ headers }) => ({ headers, end }),
    close: async () => undefined,
  };
}

interface Parts {
  readonly settings: TraceSettings;
  readonly exporter: Exporter;
  readonly propagators: readonly Propagator[];
}

function begin({ settings, exporter, propagators }: Parts, route: string, headers: Headers): RequestTrace {
  const parent = parentOf(propagators, headers);
  const traceId = parent?.traceId ?? randomBytes(16).toString("hex");
  const context = { traceId, spanId: newSpanId(), sampled: isSampled(settings.sampler, traceId, parent) };
  const luggage = luggageOf(propagators, headers);
  const now = clock();
  const startedAt = now();
  return {
    traceId,
    traceparent: formatTraceparent(context),
    link: { headers: { ...luggage, ...headersOf(propagators, context) }, span: context },
    end(outcome) {
      if (!context.sampled) return;
      const endedAt = now();
      const request: WireSpan = {
        ...span(context, context.spanId, route === UNMATCHED ? outcome.method : `${outcome.method} ${route}`, startedAt, endedAt),
        ...(parent && { parentSpanId: parent.spanId, flags: SAMPLED | PARENT_IS_KNOWN | PARENT_IS_ELSEWHERE }),
        ...(luggage.tracestate !== undefined && { traceState: luggage.tracestate }),
        kind: 2,
        attributes: attributesOf(requestAttributes(route, outcome)),
        status: { code: outcome.status >= 500 ? 2 : 0 },
      };
      exporter.add([request, ...phases(context, outcome, startedAt, endedAt)]);
    },
  };
}

/** Sent by itself: another server may be asked until after the answer has ended. */
function call(
  { exporter, propagators }: Omit<Parts, "settings">,
  link: TraceLink,
  { name, url }: { name: string; url: string },
): TraceCall {
  const { headers, span: parent } = link;
  if (!parent) return { headers, end: () => undefined };
  const context = { ...parent, spanId: newSpanId() };
  const now = clock();
  const startedAt = now();
  return {
    headers: { ...headers, ...headersOf(propagators, context) },
    end(failure) {
      if (!context.sampled) return;
      const { hostname, port, protocol } = new URL(url);
      const attributes = {
        "http.request.method": "POST",
        "server.address": hostname,
        "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
        "error.type": failure,
        "shimmy.upstream": name,
      };
      exporter.add([
        {
          ...span(context, context.spanId, "POST", startedAt, now()),
          ...(headers.tracestate !== undefined && { traceState: headers.tracestate }),
          ...{
            parentSpanId: parent.spanId,
            kind: 3,
            attributes: attributesOf(attributes),
            status: { code: failure === undefined ? 0 : 2 },
          },
        },
      ]);
    },
  };
}

function newSpanId(): string {
  return randomBytes(8).toString("hex");
}

/**
 * Milliseconds since the epoch by the clock as it is now, going on evenly: one that is set during a span changes no length, and one that was
 * set, or a machine that slept, since this process began is no error of all later spans.
 */
function clock(): () => number {
  const zero = Date.now() - performance.now();
  return () => zero + performance.now();
}

/** The share by the id, so that all parts of a trace decide alike. */
function isSampled({ parentBased, ratio }: TraceSettings["sampler"], traceId: string, parent: ParentContext | undefined): boolean {
  if (parentBased && parent?.sampled !== undefined) return parent.sampled;
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
    ...span(context, newSpanId(), name, from, to),
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
