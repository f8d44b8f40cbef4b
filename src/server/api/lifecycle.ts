/**
 * Loading and letting go over HTTP: Shimmy's own routes below /api/models/{name}, GET /api/ps, and llama.cpp's POST /models/load and
 * /models/unload (tools/server/README.md, router mode), which answer when it is done.
 */
import { ShimmyError } from "../../contract/errors.ts";
import { keepAliveMs } from "../../contract/keep-alive.ts";
import type { LifecycleStatus, LoadOptions, LoadProgress, UnloadReport } from "../../contract/lifecycle.ts";
import { plainError } from "../respond.ts";
import type { Services } from "../services.ts";
import { frameStream } from "../stream.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

export const LIFECYCLE_ROUTES: readonly ApiRoute[] = [
  { method: "POST", path: "/api/models/:name{.+}/load", handle: (services, call) => load(services, call) },
  { method: "POST", path: "/api/models/:name{.+}/unload", handle: (services, call) => unload(services, call) },
  {
    method: "GET",
    path: "/api/models/:name{.+}/status",
    handle: async ({ lifecycle }, { params }) => Response.json(wireStatus(await lifecycle.status(params.name ?? ""))),
  },
  {
    method: "GET",
    path: "/api/ps",
    handle: async ({ lifecycle }) => {
      const { models, usedBytes, budgetBytes } = await lifecycle.loaded();
      return Response.json({ models: models.map(wireStatus), memory: { used_bytes: usedBytes, budget_bytes: Math.floor(budgetBytes) } });
    },
  },
  {
    method: "POST",
    path: "/models/load",
    handle: async (services, call) => {
      const body = await bodyOf(call);
      await begin(services, modelOf(body), loadOptions(body, call));
      return Response.json({ success: true });
    },
  },
  {
    method: "POST",
    path: "/models/unload",
    handle: async ({ lifecycle }, call) => {
      const body = await bodyOf(call);
      await lifecycle.unload(modelOf(body), { force: flag(body, "force") });
      return Response.json({ success: true });
    },
  },
];

type Body = Readonly<Record<string, unknown>>;

async function load(services: Services, call: ApiCall): Promise<Response> {
  const body = await bodyOf(call);
  const name = call.params.name ?? "";
  const options = loadOptions(body, call);
  if (!flag(body, "stream")) return Response.json(wireStatus(await begin(services, name, options)));
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
  const report = await lifecycle.unload(call.params.name ?? "", { force: flag(await bodyOf(call), "force") });
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

/** @throws invalid_value when there is a body and it is no object. */
async function bodyOf(call: ApiCall): Promise<Body> {
  const body = await call.json();
  if (body === undefined) return {};
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw invalid("body", "must be an object");
  return body as Body;
}

function loadOptions(body: Body, { signal }: ApiCall): LoadOptions {
  const name = body.keep_alive !== undefined && body.keep_alive !== null ? "keep_alive" : "ttl";
  const given = body[name];
  if (given === undefined || given === null) return { signal };
  const ms = keepAliveMs(given);
  if (ms === undefined) throw invalid(name, 'must be seconds, a time such as "5m" or "1h30m", 0 or -1');
  return { signal, keepAliveMs: ms };
}

function modelOf({ model }: Body): string {
  if (typeof model === "string" && model !== "") return model;
  throw invalid("model", "it is required");
}

function flag(body: Body, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === "boolean") return value;
  throw invalid(name, "must be true or false");
}

function invalid(param: string, reason: string): ShimmyError {
  return new ShimmyError("invalid_value", { param, reason });
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
