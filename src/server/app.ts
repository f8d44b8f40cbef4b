/**
 * All routes, as a fetch handler: `createApp(services).fetch(request)` can be mounted in any server. Loaded with the first
 * request that is not a health check, for Hono and the protocols cost more memory than the rest of an idle gateway.
 */
import { randomUUID } from "node:crypto";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { ShimmyError } from "../contract/errors.ts";
import { completion, infill } from "../protocols/llamacpp/index.ts";
import { chatCompletions, completions, embeddings, encodeError, rerank, scores } from "../protocols/openai/index.ts";
import type { Protocol, VectorProtocol } from "../protocols/protocol.ts";
import { comeVia } from "../telemetry/hops.ts";
import { answer as answerAtOnce } from "./answer.ts";
import { API_ROUTES } from "./api/index.ts";
import type { ApiCall, ApiRoute } from "./api/route.ts";
import { readJson } from "./body.ts";
import { mandateOf } from "./errands.ts";
import { type Asker, generate } from "./generate.ts";
import { checkHost, checkKey, corsHeaders, isStrict, preflightHeaders } from "./guards.ts";
import { type Exchange, openExchange } from "./observe.ts";
import type { DocumentedRoute } from "./openapi/document.ts";
import { ownRoutes } from "./own-routes.ts";
import { errorResponse } from "./respond.ts";
import { RESPONSES, type Way } from "./responses/create.ts";
import type { Services } from "./services.ts";

/** What it generates: POST, each in its dialect. */
const GENERATE: Readonly<Record<string, Protocol>> = {
  "/v1/chat/completions": chatCompletions as Protocol,
  "/v1/completions": completions as Protocol,
  "/completion": completion as Protocol,
  "/infill": infill as Protocol,
};

/** What it answers at once: POST. */
const ANSWER: Readonly<Record<string, VectorProtocol>> = {
  "/v1/embeddings": embeddings as VectorProtocol,
  "/v1/rerank": rerank as VectorProtocol,
  "/v2/rerank": rerank as VectorProtocol,
  "/v1/score": scores as VectorProtocol,
};

/** All of them, in the order in which they are tried. */
const TOLD: readonly ApiRoute[] = [...API_ROUTES, ...ownRoutes(documentedRoutes)];

function documentedRoutes(): DocumentedRoute[] {
  const generate = Object.entries({ ...GENERATE, ...ANSWER, ...RESPONSES });
  return [...generate.map(([path, { doc }]) => ({ method: "POST" as const, path, ...(doc && { doc }) })), ...TOLD];
}

interface Variables {
  Variables: { asker: Asker };
}
type App = Hono<Variables>;

export function createApp(services: Services): App {
  const app: App = new Hono<Variables>({ strict: false }); // a trailing slash changes nothing
  app.use(cross(services), async (c, next) => {
    c.set("asker", c.req.path === "/health" ? {} : askerOf(services, c.req.raw));
    const { hop } = services;
    if (hop === undefined) return next();
    await comeVia(c.req.header("via"), next);
    c.res.headers.set("via", `1.1 ${hop}`);
  });
  const routes = new Map<string, MethodHandlers>();
  const add = (method: Method, route: string, handler: RouteHandler) => routes.set(route, { ...routes.get(route), [method]: handler });
  const addWay = (route: string, answer: Way["answer"]) =>
    add("POST", route, async (c) => {
      const exchange = openExchange(services, route, randomUUID(), c.req.raw);
      return traced(exchange, await answer(services, exchange, c.get("asker")));
    });
  // First, for an id takes every word below /responses.
  for (const [route, { answer }] of Object.entries(RESPONSES)) addWay(route, answer);
  for (const told of TOLD) {
    add(told.method, told.path, (c) => tell(services, told, c));
  }
  for (const [route, protocol] of Object.entries(GENERATE)) addWay(route, (_, ...asked) => generate(services, protocol, ...asked));
  for (const [route, protocol] of Object.entries(ANSWER)) addWay(route, (_, ...asked) => answerAtOnce(services, protocol, ...asked));
  for (const [route, handlers] of routes) addRoute(app, route, handlers);
  const refuse = (error: ShimmyError, c: Context) => {
    openExchange(services, "unmatched", randomUUID(), c.req.raw).fail(error);
    return errorResponse(error, encodeError);
  };
  app.notFound((c) => refuse(new ShimmyError("unknown_route", { method: c.req.method, path: c.req.path }), c));
  app.onError((error, c) => refuse(ShimmyError.from(error), c));
  return app;
}

type Method = ApiRoute["method"];
type RouteHandler = (c: Context<Variables>) => Promise<Response>;
type MethodHandlers = Partial<Record<Method, RouteHandler>>;

/** The route with its methods; any other method is told which ones it answers. */
function addRoute(app: App, route: string, handlers: MethodHandlers): void {
  for (const path of new Set([route, route.replace(/^\/v1(?=\/)/, "")])) {
    for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
    app.all(path, ({ req }) => {
      throw new ShimmyError("method_not_allowed", { path: req.path, method: req.method, allowed: Object.keys(handlers).join(", ") });
    });
  }
}

/** @throws missing_api_key, invalid_api_key. Whoever sent an errand has shown a key before. */
function askerOf({ guards }: Services, request: Request): Asker {
  const mandate = mandateOf(request);
  if (mandate) return { ...mandate.owner, priority: mandate.priority };
  const header = (name: string) => request.headers.get(name) ?? undefined;
  const priority = laterness(header("x-shimmy-priority"));
  return { caller: checkKey(guards, header), strict: isStrict(guards, header), ...(priority > 0 && { priority }) };
}

/** Whoever asks may wait longer than others, as a gateway says for its batches; never be before them. */
function laterness(said: string | undefined): number {
  return said !== undefined && /^\d{1,3}$/.test(said) ? Number(said) : 0;
}

function apiCall({ config }: Services, c: Context<Variables>, requestId: string, answeredBy: ApiCall["answeredBy"]): ApiCall {
  const { raw } = c.req;
  const { caller, strict, priority } = c.get("asker");
  return {
    request: raw,
    params: c.req.param() as Record<string, string>,
    query: new URL(raw.url).searchParams,
    json: async () => (isBare(raw) ? undefined : await readJson(raw, config.maxBodySize)),
    signal: raw.signal,
    requestId,
    answeredBy,
    ...(caller !== undefined && { caller }),
    ...(strict && { strict }),
    ...(priority !== undefined && { priority }),
  };
}

/** Without a body: `curl -X POST` sends none and says nothing of it, and Node's adapter makes an empty stream of that. */
function isBare({ body, headers }: Request): boolean {
  const length = headers.get("content-length");
  return body === null || length === "0" || (length === null && !headers.has("transfer-encoding") && !headers.has("content-type"));
}

/** Its trace is told to who asked, so that it can be looked up. */
function traced({ trace }: Exchange, response: Response): Response {
  const traceparent = trace?.traceparent;
  if (traceparent !== undefined) response.headers.set("traceparent", traceparent);
  return response;
}

async function tell(services: Services, { path, handle }: ApiRoute, c: Context<Variables>): Promise<Response> {
  const requestId = randomUUID();
  const exchange = openExchange(services, path, requestId, c.req.raw);
  let about: { readonly model?: string } = {};
  const answeredBy = (model: string) => {
    about = { model };
  };
  try {
    const response = await handle(services, apiCall(services, c, requestId, answeredBy));
    exchange.end({ status: response.status, ...about });
    return traced(exchange, response);
  } catch (thrown) {
    const error = ShimmyError.from(thrown);
    exchange.end({ status: error.status, ...about }, error);
    return traced(exchange, errorResponse(error, encodeError));
  }
}

/** Host and origin, before anything else: what a foreign page asks is not even counted against a key. */
function cross({ guards }: Services): MiddlewareHandler {
  return async (c, next) => {
    const header = (name: string) => c.req.header(name);
    checkHost(guards, header);
    const cors = corsHeaders(guards, header);
    if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { ...cors, ...preflightHeaders(header) } });
    await next();
    for (const [name, value] of Object.entries(cors)) c.res.headers.set(name, value);
    return undefined;
  };
}
