/**
 * `POST /api/pull` {"model", "stream"}: progress as NDJSON in Ollama's shape (docs/api.md of ollama), so that its clients can pull here
 * too. Errors are `{"error": text}` as theirs are, with our code beside it. A client that leaves ends the pull only if nobody else waits.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { PullEvent } from "../../contract/pull.ts";
import { invalid, validate } from "../../protocols/openai/validate.ts";
import { errorHeaders } from "../respond.ts";
import type { Services } from "../services.ts";
import { frameStream } from "../stream.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const name = z.nullish(z.string().check(z.trim(), z.minLength(1, "name a model")));
const eventSchema = z.object({
  status: z.string(),
  digest: z.optional(z.string()),
  total: z.optional(z.number()),
  completed: z.optional(z.number()),
  model: z.optional(z.string()),
});
/** `name` is what Ollama called the field until 0.5. Other fields (`insecure`) change nothing. */
const pullSchema = z.object({ model: name, name, stream: z.nullish(z.boolean()) });

/** Ollama's dress of errors, with our code in it. */
const failureSchema = z.object({ error: z.string(), code: z.string(), hint: z.optional(z.string()) });

export const PULL_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/api/pull",
    doc: {
      summary: "Fetch a model from the hub",
      tag: "Models",
      body: pullSchema,
      answer: eventSchema,
      alsoAnswers: "application/x-ndjson",
      failure: failureSchema,
    },
    handle: pull,
  },
];

async function pull(services: Services, call: ApiCall): Promise<Response> {
  try {
    const { model, stream } = readRequest(await call.json());
    if (!services.puller.online) throw new ShimmyError("offline");
    return stream ? await streamed(services, call, model) : await whole(services, call, model);
  } catch (thrown) {
    const error = ShimmyError.from(thrown);
    report(services, call, error);
    return Response.json(told(error), { status: error.status, headers: errorHeaders(error) });
  }
}

/** @throws invalid_value */
function readRequest(body: unknown): { model: string; stream: boolean } {
  const { model, name, stream } = validate(pullSchema, body ?? {});
  const asked = model ?? name;
  if (typeof asked !== "string") throw invalid("model", "name a model");
  return { model: asked, stream: stream ?? true };
}

async function whole({ puller }: Services, { signal }: ApiCall, model: string): Promise<Response> {
  let last: PullEvent = { status: "success" };
  for await (const event of puller.pull(model, signal)) last = event;
  return Response.json(last);
}

/** The status line waits for the first event, so that a name that means nothing has its true status. */
async function streamed(services: Services, call: ApiCall, model: string): Promise<Response> {
  const left = new AbortController();
  const events = services.puller.pull(model, AbortSignal.any([call.signal, left.signal]))[Symbol.asyncIterator]();
  const first = await events.next();
  const frames: AsyncIterator<string> = {
    next: async () => framed(await events.next()),
    return: async () => {
      await events.return?.();
      return { done: true, value: undefined };
    },
  };
  const stream = frameStream({
    frames,
    first: Promise.resolve(framed(first)),
    pingMs: 0, // a comment would be no JSON
    onError: (thrown) => {
      const error = ShimmyError.from(thrown);
      report(services, call, error);
      return line(told(error));
    },
    onCancel: () => left.abort(),
  });
  return new Response(stream, { headers: { "content-type": "application/x-ndjson" } });
}

function framed(result: IteratorResult<PullEvent>): IteratorResult<string> {
  return result.done ? result : { done: false, value: line(result.value) };
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function told({ message, hint, code }: ShimmyError) {
  return { error: message, code, ...(hint && { hint }) };
}

function report({ log }: Services, { requestId }: ApiCall, error: ShimmyError): void {
  const cause = error.cause instanceof Error ? error.cause : undefined;
  if (error.code === "internal") log.error("pull failed", { id: requestId, err: cause ?? error });
  else if (error.code !== "client_closed") log.warn("pull failed", { id: requestId, code: error.code, reason: error.message });
}
