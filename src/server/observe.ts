/** One exchange seen from outside: its metrics, its line in the log and its trace, whichever way it ends. Prompts never come near. */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, ResolvedModel, Timings } from "../contract/generation.ts";
import type { RequestTrace } from "../contract/tracing.ts";
import type { RequestOutcome, RequestRecord } from "../telemetry/metrics.ts";
import { operationOf } from "./operation.ts";
import type { Services } from "./services.ts";

/** How it ended, as far as who ends it knows. */
export interface ExchangeOutcome extends Omit<RequestOutcome, "operation" | "code"> {
  /** From the request to the first piece of its answer. */
  readonly firstMs?: number;
  /** Of the answer behind its first token. */
  readonly predictedMs?: number;
}

/** A request on its way through the door. */
export interface Exchange {
  readonly id: string;
  /** The pattern of the route. */
  readonly route: string;
  readonly request: Request;
  /** On the clock of `performance`. */
  readonly startedAt: number;
  readonly record: RequestRecord;
  /** Where the request is a part of a trace: what is asked elsewhere for its sake belongs to it. */
  readonly traceparent?: string;
  /** It failed; the first call counts. */
  fail(error: ShimmyError): void;
  /** It is over, well or not; the first call counts. */
  end(outcome: ExchangeOutcome, error?: ShimmyError): void;
}

type Observers = Pick<Services, "metrics" | "log" | "tracing">;

export function openExchange(services: Observers, route: string, id: string, request: Request): Exchange {
  const startedAt = performance.now();
  const record = services.metrics.requestStarted(route);
  const trace = services.tracing?.begin(route, request.headers);
  let open = true;
  const end = (told: ExchangeOutcome, error?: ShimmyError) => {
    if (!open) return;
    open = false;
    const operation = operationOf(route);
    const outcome = { ...told, ...(operation !== undefined && { operation }), ...(error && { code: error.code }) };
    record.finished(outcome);
    trace?.end({ ...outcome, id, method: request.method });
    writeLine(services, { id, route, startedAt, outcome, error, trace });
  };
  const { traceparent } = trace ?? {};
  return {
    ...{ id, route, request, startedAt, record, end },
    ...(traceparent !== undefined && { traceparent }),
    fail: (error) => end({ status: error.status }, error),
  };
}

interface Line {
  readonly id: string;
  readonly route: string;
  readonly startedAt: number;
  readonly outcome: ExchangeOutcome;
  readonly error: ShimmyError | undefined;
  readonly trace: RequestTrace | undefined;
}

function writeLine({ log }: Observers, { id, route, startedAt, outcome, error, trace }: Line): void {
  const level = error?.code === "internal" ? "error" : "info";
  if (!log.enabled(level)) return;
  const { status, model, promptTokens, cachedTokens, completionTokens, firstMs, loadMs, queueMs, promptMs } = outcome;
  const fields = {
    ...{ id, route, status, model, promptTokens, cachedTokens, completionTokens },
    ...{ loadMs: whole(loadMs), queueMs: whole(queueMs), promptMs: whole(promptMs), firstMs: whole(firstMs) },
    ...{ ms: whole(performance.now() - startedAt), code: error?.code, traceId: trace?.traceId },
  };
  if (error && level === "error") log.error("request", { ...fields, err: error.cause instanceof Error ? error.cause : error });
  else log.info("request", fields);
}

function whole(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms);
}

/** Passes the events on and closes the exchange with the last one. */
export async function* observe(
  exchange: Exchange,
  { info }: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<GenerationEvent, void, undefined> {
  let promptTokens = 0;
  let cachedTokens = 0;
  let completionTokens = 0;
  let loadMs: number | undefined;
  let firstMs: number | undefined;
  let timings: Timings | undefined;
  // A reader that stops early has left, unless an error says otherwise.
  let status = 499;
  let failure: ShimmyError | undefined;
  try {
    for await (const event of events) {
      if (event.type === "text" || event.type === "reasoning" || event.type === "toolCall") {
        firstMs ??= performance.now() - exchange.startedAt;
        exchange.record.token(info.id, event.choice);
      } else if (event.type === "started") {
        promptTokens += event.promptTokens;
        loadMs ??= event.loadMs;
      } else if (event.type === "finished") {
        promptTokens += event.promptTokens ?? 0;
        cachedTokens = event.cachedTokens;
        completionTokens += event.completionTokens;
        timings ??= event.timings;
      }
      yield event;
    }
    status = 200;
  } catch (error) {
    failure = ShimmyError.from(error);
    status = failure.status;
    throw failure;
  } finally {
    const phases = { ...timings, ...(loadMs !== undefined && { loadMs }), ...(firstMs !== undefined && { firstMs }) };
    exchange.end({ status, model: info.id, promptTokens, cachedTokens, completionTokens, ...phases }, failure);
  }
}
