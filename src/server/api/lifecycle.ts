/**
 * Loading and letting go over HTTP: Shimmy's own routes below /api/models/{name}, GET /api/ps, and llama.cpp's POST /models/load and
 * /models/unload (tools/server/README.md, router mode), which answer when it is done.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import { keepAliveMs } from "../../contract/keep-alive.ts";
import type { LifecycleStatus, LoadOptions, LoadProgress, UnloadReport } from "../../contract/lifecycle.ts";
import { keepAlive } from "../../protocols/openai/schema.ts";
import { validate } from "../../protocols/openai/validate.ts";
import { plainError } from "../respond.ts";
import type { Services } from "../services.ts";
import { frameStream } from "../stream.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const TAG = "Models";

/** A wish to load: for how long. `keep_alive` and `ttl` are two names of one field. */
const loadFields = { keep_alive: keepAlive, ttl: keepAlive };
const loadSchema = z.object({ ...loadFields, stream: z.nullish(z.boolean()) });
const unloadSchema = z.object({ force: z.nullish(z.boolean()) });
const model = z.string().check(z.minLength(1));
const namedLoadSchema = z.object({ model, ...loadFields });
const namedUnloadSchema = z.object({ model, force: z.nullish(z.boolean()) });

const statusSchema = z.looseObject({
  model: z.string(),
  state: z.enum(["unloaded", "loading", "loaded", "failed"]),
  size: z.number(),
  context_length: z.number(),
});
const reportSchema = z.object({
  model: z.string(),
  state: z.literal("unloaded"),
  unloaded: z.boolean().check(z.describe("False: it was not loaded.")),
  exit: z.optional(z.string()),
  freed_bytes: z.optional(z.number()),
});
const successSchema = z.object({ success: z.boolean() });

export const LIFECYCLE_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/api/models/:name{.+}/load",
    doc: {
      summary: "Load a model",
      tag: TAG,
      body: loadSchema,
      bodyRequired: false,
      example: { keep_alive: "5m" },
      answer: statusSchema,
      alsoAnswers: "text/event-stream",
    },
    handle: (services, call) => load(services, call),
  },
  {
    method: "POST",
    path: "/api/models/:name{.+}/unload",
    doc: { summary: "Let a model go", tag: TAG, body: unloadSchema, bodyRequired: false, example: {}, answer: reportSchema },
    handle: (services, call) => unload(services, call),
  },
  {
    method: "GET",
    path: "/api/models/:name{.+}/status",
    doc: { summary: "How a model is", tag: TAG, answer: statusSchema },
    handle: async ({ lifecycle }, { params }) => Response.json(wireStatus(await lifecycle.status(params.name ?? ""))),
  },
  {
    method: "GET",
    path: "/api/ps",
    doc: {
      summary: "The models that are loaded, and the memory they use",
      tag: TAG,
      answer: z.object({ models: z.array(statusSchema), memory: z.object({ used_bytes: z.number(), budget_bytes: z.number() }) }),
    },
    handle: async ({ lifecycle }) => {
      const { models, usedBytes, budgetBytes } = await lifecycle.loaded();
      return Response.json({ models: models.map(wireStatus), memory: { used_bytes: usedBytes, budget_bytes: Math.floor(budgetBytes) } });
    },
  },
  {
    method: "POST",
    path: "/models/load",
    doc: {
      summary: "Load a model (llama-server's)",
      tag: TAG,
      body: namedLoadSchema,
      example: { model: "shimmy-tiny" },
      answer: successSchema,
    },
    handle: async (services, call) => {
      const body = await bodyOf(namedLoadSchema, call);
      await begin(services, body.model, loadOptions(body, call));
      return Response.json({ success: true });
    },
  },
  {
    method: "POST",
    path: "/models/unload",
    doc: {
      summary: "Let a model go (llama-server's)",
      tag: TAG,
      body: namedUnloadSchema,
      example: { model: "shimmy-tiny" },
      answer: successSchema,
    },
    handle: async ({ lifecycle }, call) => {
      const { model, force } = await bodyOf(namedUnloadSchema, call);
      await lifecycle.unload(model, { force: force ?? false });
      return Response.json({ success: true });
    },
  },
];

async function load(services: Services, call: ApiCall): Promise<Response> {
  const body = await bodyOf(loadSchema, call);
  const name = call.params.name ?? "";
  const options = loadOptions(body, call);
  if (!body.stream) return Response.json(wireStatus(await begin(services, name, options)));
  const frames = progressFrames(services, name, options);
  return new Response(
    frameStream({
      frames,
      first: frames.next(),
      pingMs: services.config.ssePingInterval,
      onError: errorFrame,
      onCancel: () => undefined, // the load goes on: the next one who asks finds it
    }),
    { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no" } },
  );
}

async function unload({ lifecycle }: Services, call: ApiCall): Promise<Response> {
  const { force } = await bodyOf(unloadSchema, call);
  const report = await lifecycle.unload(call.params.name ?? "", { force: force ?? false });
  return Response.json(wireReport(report));
}

function begin({ lifecycle, state }: Services, name: string, options: LoadOptions): Promise<LifecycleStatus> {
  if (state() === "draining") throw new ShimmyError("shutting_down");
  return lifecycle.load(name, options);
}

/** `event: progress` as the load gets on, then `event: status` or `event: error`. */
async function* progressFrames(services: Services, name: string, options: LoadOptions): AsyncGenerator<string, void, undefined> {
  let news: LoadProgress[] = [];
  let wake: () => void = () => undefined;
  const tell = (progress: LoadProgress) => {
    news.push(progress);
    wake();
  };
  let ended = false;
  const end = () => {
    ended = true;
    wake();
  };
  const loading = begin(services, name, { ...options, onProgress: tell });
  loading.then(end, end);
  while (!ended || news.length > 0) {
    const taken = news;
    news = [];
    for (const progress of taken) yield frame("progress", progress);
    if (taken.length > 0 || ended) continue;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  yield frame("status", wireStatus(await loading));
}

function errorFrame(thrown: unknown): string {
  return frame("error", plainError(ShimmyError.from(thrown)).body);
}

function frame(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** No body is an empty one. @throws invalid_value */
async function bodyOf<Schema extends z.core.$ZodType>(schema: Schema, call: ApiCall): Promise<z.output<Schema>> {
  return validate(schema, (await call.json()) ?? {});
}

function loadOptions({ keep_alive, ttl }: { keep_alive?: unknown; ttl?: unknown }, { signal }: ApiCall): LoadOptions {
  const ms = keepAliveMs(keep_alive ?? ttl);
  return ms === undefined ? { signal } : { signal, keepAliveMs: ms };
}

function wireReport({ model, unloaded, exit, freedBytes }: UnloadReport) {
  return {
    model,
    state: "unloaded",
    unloaded,
    ...(exit !== undefined && { exit }),
    ...(freedBytes !== undefined && { freed_bytes: freedBytes }),
  };
}

/** Times as ISO 8601; `expires_at` is null for a model that stays until its room is needed. */
export function wireStatus({ info, state, servedContext, serving, progress, residence, failure }: LifecycleStatus) {
  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    model: info.id,
    state,
    size: info.sizeBytes,
    context_length: servedContext,
    ...(progress && { progress }),
    ...(serving && { slots: serving.slots }),
    ...(residence && {
      running: residence.running,
      waiting: residence.waiting,
      memory_bytes: residence.memoryBytes,
      ...(residence.residentBytes !== undefined && { resident_bytes: residence.residentBytes }),
      pid: residence.pid,
      pinned: residence.pinned,
      leaving: residence.leaving,
      loaded_at: time(residence.loadedAt),
      last_used_at: time(residence.lastUsedAt),
      expires_at: time(residence.expiresAt),
    }),
    ...(failure && { failure: { code: failure.code, message: failure.message, retry_after: failure.retryAfterSeconds } }),
  };
}

export type WireStatus = ReturnType<typeof wireStatus>;
