/** One exchange seen from outside: its metrics, its line in the log and its trace, whichever way it ends. Prompts never come near. */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, ResolvedModel } from "../contract/generation.ts";
import type { RequestTrace, TraceOutcome } from "../contract/tracing.ts";
import type { RequestOutcome, RequestRecord } from "../telemetry/metrics.ts";
import { AnswerCounter } from "./answer-counts.ts";
import { operationOf } from "./operation.ts";
import type { Services } from "./services.ts";

/** How it ended, as far as who ends it knows. */
export interface ExchangeOutcome extends Omit<RequestOutcome, "operation" | "code">, Pick<TraceOutcome, "askedModel" | "finishReasons"> {
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
  readonly trace?: Pick<RequestTrace, "traceparent" | "link">;
  /** It failed; the first call counts. */
  fail(error: ShimmyError): void;
  /** It is over, well or not; the first call counts. */
  end(outcome: ExchangeOutcome, error?: ShimmyError): void;
}

type Observers = Pick<Services, "metrics" | "log" | "tracing" | "installation">;

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
    if (error) services.installation.failed(error);
    record.finished(outcome);
    trace?.end({ ...outcome, id, method: request.method, path: new URL(request.url).pathname });
    writeLine(services, { id, route, startedAt, outcome, error, trace });
  };
  return {
    ...{ id, route, request, startedAt, record, end },
    ...(trace && { trace }),
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

/** Which one answers, and which one was asked for, as far as that is one of ours. */
export function modelsOf({ info, fallbackFrom }: ResolvedModel): Pick<ExchangeOutcome, "model" | "askedModel"> {
  return { model: info.id, ...(fallbackFrom === undefined && { askedModel: info.id }) };
}

/**
 * Passes the events on and closes the exchange with the last one.
 * @param perPrompt choices of each prompt of the call
 */
export async function* observe(
  exchange: Exchange,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
  perPrompt: number,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const { info } = model;
  const counter = new AnswerCounter(exchange.startedAt, perPrompt, (ms) => exchange.record.first(info.id, ms));
  // A reader that stops early has left, unless an error says otherwise.
  let status = 499;
  let failure: ShimmyError | undefined;
  try {
    for await (const event of events) {
      if (counter.add(event) && "choice" in event) exchange.record.token(info.id, event.choice);
      yield event;
    }
    status = 200;
  } catch (error) {
    failure = ShimmyError.from(error);
    status = failure.status;
    throw failure;
  } finally {
    exchange.end({ status, ...modelsOf(model), ...counter.counts }, failure);
  }
}
