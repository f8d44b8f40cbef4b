/**
 * What was answered by POST /v1/responses, afterwards: look at it, list what it was made from, call it off, forget it. Shapes as OpenAI's
 * (openai 6, resources/responses). Whoever did not ask for a response is told that there is none.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { StoredResponse, WireObject } from "../../contract/responses.ts";
import { orderQuery, page, pageQuery, queryFields } from "../../protocols/openai/page.ts";
import { deletedAnswer, inputItemsAnswer, replayFrames, responseAnswer, responses } from "../../protocols/openai/responses/index.ts";
import { wholeRange } from "../../protocols/openai/schema.ts";
import { EVENT_STREAM } from "../generate.ts";
import { isOpen } from "../responses/earlier.ts";
import { runningOf } from "../responses/running.ts";
import type { Services } from "../services.ts";
import { frameStream } from "../stream.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const retrieveQuery = { stream: z.nullish(z.enum(["true", "false"])), starting_after: wholeRange(-1) };
const itemsQuery = { ...pageQuery(100), order: orderQuery };

export const RESPONSE_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/responses/:id",
    doc: {
      summary: "A kept answer, or one that is being made",
      tag: "OpenAI",
      query: retrieveQuery,
      answer: responseAnswer,
      alsoAnswers: "text/event-stream",
    },
    handle: retrieve,
  },
  {
    method: "DELETE",
    path: "/v1/responses/:id",
    doc: { summary: "Forgets an answer", tag: "OpenAI", answer: deletedAnswer },
    handle: remove,
  },
  {
    method: "POST",
    path: "/v1/responses/:id/cancel",
    doc: { summary: "Calls off an answer that is being made", tag: "OpenAI", answer: responseAnswer },
    handle: cancel,
  },
  {
    method: "GET",
    path: "/v1/responses/:id/input_items",
    doc: {
      summary: "What an answer was made from",
      tag: "OpenAI",
      query: itemsQuery,
      answer: inputItemsAnswer,
    },
    handle: inputItems,
  },
];

async function retrieve(services: Services, call: ApiCall): Promise<Response> {
  const { stream, starting_after: after } = queryFields(retrieveQuery, call.query);
  const running = runningOf(services).get(idOf(call), call.caller);
  if (stream !== "true") return Response.json(running ? running.snapshot() : (await stored(services, call)).response);
  const ended = running ? running.done : Promise.resolve((await stored(services, call)).response);
  return replay(services, call, ended, after ?? undefined);
}

/** Of one that is still made: the whole of it, when it is there. */
function replay(services: Services, call: ApiCall, ended: Promise<WireObject>, after: number | undefined): Response {
  const frames = (async function* () {
    yield* replayFrames(await ended, after);
  })();
  const body = frameStream({
    frames,
    first: frames.next(),
    pingMs: services.config.ssePingInterval,
    onError: (thrown) => responses.encodeStreamError(ShimmyError.from(thrown), call.requestId),
    onCancel: () => undefined,
  });
  return new Response(body, { headers: EVENT_STREAM });
}

async function remove(services: Services, call: ApiCall): Promise<Response> {
  const id = idOf(call);
  const running = runningOf(services).get(id, call.caller);
  running?.cancel();
  await running?.done;
  const known = await services.responseStore.delete(id, call.caller);
  if (!known && !running) throw new ShimmyError("response_not_found", { id });
  return Response.json({ id, object: "response", deleted: true });
}

async function cancel(services: Services, call: ApiCall): Promise<Response> {
  const id = idOf(call);
  const running = runningOf(services).get(id, call.caller);
  if (running) {
    running.cancel();
    return Response.json(await running.done);
  }
  const { response } = await stored(services, call);
  // Once more is no mistake.
  if (response.status === "cancelled") return Response.json(response);
  throw new ShimmyError("response_not_running", { id, status: String(response.status) });
}

async function inputItems(services: Services, call: ApiCall): Promise<Response> {
  const { order, after, limit } = queryFields(itemsQuery, call.query);
  // Each was given an id when it was kept.
  const input = (await stored(services, call)).input as ReadonlyArray<WireObject & { readonly id: string }>;
  return Response.json(page(order === "asc" ? input : input.toReversed(), (item) => item, after, limit ?? 20));
}

async function stored({ responseStore }: Services, call: ApiCall): Promise<StoredResponse> {
  const found = await responseStore.get(idOf(call), call.caller);
  if (!found) throw new ShimmyError("response_not_found", { id: idOf(call) });
  if (!isOpen(found.response)) return found;
  const error = { code: "server_error", message: "The server ended before this response was finished" };
  return { ...found, response: { ...found.response, status: "failed", error } };
}

/** Cut, for it goes into messages. */
function idOf({ params }: ApiCall): string {
  return (params.id ?? "").slice(0, 64);
}
