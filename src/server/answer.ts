/**
 * The path of requests that are answered at once: vectors and scores. Called by app.ts for each such route; guards, log line, metrics and
 * the headers of a fallback are those of generate.ts.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { VectorProtocol } from "../protocols/protocol.ts";
import { readJson } from "./body.ts";
import { chooseModel, modelHeaders } from "./choose-model.ts";
import { type Asker, decodeContext, linkOf } from "./generate.ts";
import { type Exchange, modelsOf } from "./observe.ts";
import { errorResponse } from "./respond.ts";
import type { Services } from "./services.ts";

export async function answer(services: Services, protocol: VectorProtocol, exchange: Exchange, asker: Asker = {}): Promise<Response> {
  const { request: sent, id } = exchange;
  let about: ReturnType<typeof modelsOf> = {};
  try {
    if (services.state() === "draining") throw new ShimmyError("shutting_down");
    const decoded = protocol.decode(await readJson(sent, services.config.maxBodySize), decodeContext(services, id));
    const resolved = await chooseModel(services, decoded.request.model, asker.strict, protocol.wants);
    about = modelsOf(resolved);
    const { caller, priority } = asker;
    const by = { ...(caller !== undefined && { caller }), ...(priority !== undefined && { priority }), trace: linkOf(exchange) };
    const call = { ...decoded, request: { ...decoded.request, ...by } };
    const signal = asker.signal ? AbortSignal.any([sent.signal, asker.signal]) : sent.signal;
    const result = await protocol.ask(services.embedder, resolved, call, signal);
    const body = JSON.stringify(protocol.encode(call, resolved, result));
    exchange.end({ status: 200, ...about, promptTokens: result.tokens.reduce((sum, count) => sum + count, 0) });
    return new Response(body, { headers: { "content-type": "application/json", "x-request-id": id, ...modelHeaders(resolved) } });
  } catch (thrown) {
    const error = ShimmyError.from(thrown);
    exchange.end({ status: error.status, ...about }, error);
    return errorResponse(error, (e) => protocol.encodeError(e, id));
  }
}
