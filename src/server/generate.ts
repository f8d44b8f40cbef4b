/**
 * The main path: a request of any dialect to an answer, whole or streamed. Called by app.ts for each route that generates.
 *
 *   decode ─▶ resolve ─▶ generate ─▶ encode          a failure anywhere is one thrown error, dressed by the protocol
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationRequest } from "../contract/generation.ts";
import type { TraceLink } from "../contract/tracing.ts";
import type { Protocol } from "../protocols/protocol.ts";
import { relayed } from "../telemetry/tracing/propagation.ts";
import { readJson } from "./body.ts";
import { chooseModel, modelHeaders } from "./choose-model.ts";
import { inlineFiles } from "./inline-files.ts";
import { mergeEvents } from "./merge-events.ts";
import { type Exchange, observe } from "./observe.ts";
import { errorResponse, warningHeaders } from "./respond.ts";
import type { Services } from "./services.ts";
import { frameStream, nextWithin } from "./stream.ts";

/** Who asks, as far as keys tell. */
export interface Asker {
  readonly caller?: string | undefined;
  /** No other model than the named one answers. */
  readonly strict?: boolean | undefined;
  /** As in `GenerationRequest`. */
  readonly priority?: number | undefined;
  /** Ends the work for another reason than that the client left. */
  readonly signal?: AbortSignal;
}

export async function generate(services: Services, protocol: Protocol, exchange: Exchange, asker: Asker = {}): Promise<Response> {
  const { request: sent, id } = exchange;
  const leave = new AbortController();
  for (const signal of [sent.signal, asker.signal]) {
    if (signal?.aborted) leave.abort();
    else signal?.addEventListener("abort", () => leave.abort(), { once: true });
  }
  try {
    if (services.state() === "draining") throw new ShimmyError("shutting_down");
    const asking = await inlineFiles(await readJson(sent, services.config.maxBodySize), services, asker.caller);
    const call = await protocol.decode(asking, decodeContext(services, id));
    const model = await chooseModel(services, call.request.model, asker.strict);
    const { caller, priority } = asker;
    const by = {
      ...(caller !== undefined && { caller }),
      ...(priority !== undefined && { priority }),
      trace: linkOf(exchange),
      ...(!call.stream && { whole: true }),
    };
    const asked = (call.batch ?? [call.request]).map((request) => ({ ...request, ...by }));
    const answer = (request: GenerationRequest, signal: AbortSignal) => services.generator.generate(model, request, signal);
    const events = observe(exchange, model, mergeEvents(asked, answer, leave.signal), call.request.choices);
    const headers = {
      "x-request-id": id,
      ...modelHeaders(model),
      ...warningHeaders(call, (warning) => services.log.info("left out", { id, warning })),
    };
    if (!call.stream) return Response.json(await protocol.encodeWhole(call, model, events), { headers });

    // Headers are sent with the first frame, or when the client has waited for one ping: until then an error has its true status.
    const frames = protocol.encodeStream(call, model, events)[Symbol.asyncIterator]();
    const first = frames.next();
    await nextWithin(first, services.config.ssePingInterval);
    const body = frameStream({
      frames,
      first,
      pingMs: services.config.ssePingInterval,
      onError: (error) => protocol.encodeStreamError(ShimmyError.from(error), id),
      onCancel: () => leave.abort(),
    });
    return new Response(body, { headers: { ...headers, ...EVENT_STREAM } });
  } catch (thrown) {
    const error = ShimmyError.from(thrown);
    exchange.fail(error);
    return errorResponse(error, (e) => protocol.encodeError(e, id));
  }
}

/** Where there are no traces of our own, those of who asks. Its baggage is passed on only where OpenTelemetry's variables speak of traces. */
export function linkOf({ trace, request }: Exchange): TraceLink {
  return trace?.link ?? { headers: relayed(["tracecontext"], request.headers) };
}

export const EVENT_STREAM = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // nginx would hold tokens back until its buffer is full.
  "x-accel-buffering": "no",
};

export function decodeContext({ config }: Services, requestId: string) {
  return { requestId, now: Date.now(), defaults: config.maxTokensDefault > 0 ? { maxTokens: config.maxTokensDefault } : {} };
}
