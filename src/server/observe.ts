/** One exchange seen from outside: its metrics and its line in the log, whichever way it ends. Prompts never come near. */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, ResolvedModel } from "../contract/generation.ts";
import type { RequestOutcome, RequestRecord } from "../telemetry/metrics.ts";
import type { Services } from "./services.ts";

/** A request on its way through the door. */
export interface Exchange {
  readonly id: string;
  /** The pattern of the route. */
  readonly route: string;
  readonly request: Request;
  readonly record: RequestRecord;
  /** It failed; the first call counts. */
  fail(error: ShimmyError): void;
  /** It is over, well or not; the first call counts. */
  end(outcome: RequestOutcome, error?: ShimmyError): void;
}

export function openExchange(services: Pick<Services, "metrics" | "log">, route: string, id: string, request: Request): Exchange {
  const startedAt = performance.now();
  const record = services.metrics.requestStarted(route);
  let open = true;
  const end = (outcome: RequestOutcome, error?: ShimmyError) => {
    if (!open) return;
    open = false;
    record.finished(outcome);
    const { status, model, promptTokens, cachedTokens, completionTokens } = outcome;
    const ms = Math.round(performance.now() - startedAt);
    const fields = { id, route, status, model, promptTokens, cachedTokens, completionTokens, ms, code: error?.code };
    if (error?.code === "internal") services.log.error("request", { ...fields, err: error.cause instanceof Error ? error.cause : error });
    else services.log.info("request", fields);
  };
  return { id, route, request, record, end, fail: (error) => end({ status: error.status }, error) };
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
  // A reader that stops early has left, unless an error says otherwise.
  let status = 499;
  let failure: ShimmyError | undefined;
  try {
    for await (const event of events) {
      if (event.type === "started") promptTokens += event.promptTokens;
      else if (event.type === "text" || event.type === "reasoning" || event.type === "toolCall") exchange.record.firstToken(info.id);
      else if (event.type === "finished") {
        cachedTokens = event.cachedTokens;
        completionTokens += event.completionTokens;
      }
      yield event;
    }
    status = 200;
  } catch (error) {
    failure = ShimmyError.from(error);
    status = failure.status;
    throw failure;
  } finally {
    exchange.end({ status, model: info.id, promptTokens, cachedTokens, completionTokens }, failure);
  }
}
