/**
 * What was answered by POST /v1/responses, afterwards: look at it, list what it was made from, call it off, forget it. Shapes as OpenAI's
 * (openai 6, resources/responses). Whoever did not ask for a response is told that there is none.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { StoredResponse, WireObject } from "../../contract/responses.ts";
import { deletedAnswer, inputItemsAnswer, replayFrames, responseAnswer, responses } from "../../protocols/openai/responses/index.ts";
import { EVENT_STREAM } from "../generate.ts";
import { isOpen } from "../responses/earlier.ts";
import { runningOf } from "../responses/running.ts";
import type { Services } from "../services.ts";
import { frameStream } from "../stream.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const query = {
  stream: z.optional(z.enum(["true", "false"])),
  starting_after: z.optional(z.number()),
  order: z.optional(z.enum(["asc", "desc"])),
  limit: z.optional(z.number()),
  after: z.optional(z.string()),
};

export const RESPONSE_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/responses/:id",
    doc: {
      summary: "A kept answer, or one that is being made",
      tag: "OpenAI",
      query: { stream: query.stream, starting_after: query.starting_after },
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
      query: { order: query.order, limit: query.limit, after: query.after },
      answer: inputItemsAnswer,
    },
    handle: inputItems,
  },
];

async function retrieve(services: Services, call: ApiCall): Promise<Response> {
  if (flagOf(call, "stream")) return replay(services, call);
  const running = runningOf(services).get(idOf(call), call.caller);
  return Response.json(running ? running.snapshot() : (await stored(services, call)).response);
}

/** Of one that is still made: the whole of it, when it is there. */
async function replay(services: Services, call: ApiCall): Promise<Response> {
  const after = numberOf(call, "starting_after", -1, Number.MAX_SAFE_INTEGER);
  const running = runningOf(services).get(idOf(call), call.caller);
  const ended = running ? running.done : Promise.resolve((await stored(services, call)).response);
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

const MOST_ITEMS = 100;

async function inputItems(services: Services, call: ApiCall): Promise<Response> {
  const { input } = await stored(services, call);
  const order = call.query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") throw invalid("order", "must be 'asc' or 'desc'");
  const limit = numberOf(call, "limit", 1, MOST_ITEMS) ?? 20;
  const items = (order === "asc" ? input : input.toReversed()) as readonly WireObject[];
  const after = call.query.get("after");
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) throw invalid("after", "there is no such item");
  const data = items.slice(start, start + limit);
  return Response.json({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < items.length,
  });
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

function flagOf({ query }: ApiCall, name: string): boolean {
  const value = query.get(name) ?? "false";
  if (value !== "true" && value !== "false") throw invalid(name, "must be true or false");
  return value === "true";
}

function numberOf({ query }: ApiCall, name: string, min: number, max: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max)
    throw invalid(name, `must be a whole number from ${min} to ${max}`);
  return value;
}

function invalid(param: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param, reason });
}
