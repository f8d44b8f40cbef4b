/**
 * What the server tells of itself and of its models: GET, no generation. Called by app.ts, which adds them behind all others, for
 * `/models/{id}` takes every path below /models.
 */
import * as z from "zod/mini";
import { encodeModel, encodeModels } from "../protocols/openai/index.ts";
import { modelAnswer, modelsAnswer } from "../protocols/openai/models-answer.ts";
import { statusOf } from "./api/models.ts";
import type { ApiRoute } from "./api/route.ts";
import { health } from "./health.ts";
import type { DocumentedRoute } from "./openapi/document.ts";

/** The page runs its own script and asks this server only; no other page may frame it. */
const DOCS_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

const TAG = "Server";
const nameSchema = z.object({ service: z.literal("shimmy"), version: z.string(), routes: z.array(z.string()) });

const count = z.optional(z.int());
const healthSchema = z.object({
  status: z.enum(["ok", "loading", "draining"]),
  service: z.literal("shimmy"),
  version: z.string(),
  uptime_seconds: z.int(),
  timestamp: z.string(),
  models: z.object({ total: z.int(), unloaded: count, loading: count, loaded: count, failed: count }),
  degraded: z.optional(
    z.array(
      z.object({
        backend: z.optional(z.string()),
        upstream: z.optional(z.int()),
        part: z.optional(z.literal("package")),
        reason: z.string(),
        retry_after: z.optional(z.number()),
      }),
    ),
  ),
});

/** @param all every route of the server, these included */
export function ownRoutes(all: () => readonly DocumentedRoute[]): readonly ApiRoute[] {
  return [
    {
      method: "GET",
      path: "/",
      doc: { summary: "Name, version and routes", tag: TAG, answer: nameSchema },
      handle: ({ version }) => Response.json({ service: "shimmy", version, routes: [...new Set(all().map(({ path }) => path))] }),
    },
    {
      method: "GET",
      path: "/health",
      doc: { summary: "Whether it is ready; 503 while it loads or drains", tag: TAG, answer: healthSchema, failure: healthSchema },
      handle: async (services) => {
        const { status, body } = await health(services);
        return Response.json(body, { status });
      },
    },
    {
      method: "GET",
      path: "/metrics",
      doc: { summary: "Metrics for Prometheus; as JSON with ?format=json or by Accept", tag: TAG, answerType: "text/plain" },
      handle: async (services, { request, query }) => {
        if (wantsJson(request, query)) {
          const { metricsJson } = await import("./metrics-json.ts");
          return Response.json(await metricsJson(services, [...new Set(all().map(({ path }) => path))]));
        }
        const { contentType, body } = await services.metrics.text();
        return new Response(body, { headers: { "content-type": contentType } });
      },
    },
    {
      method: "GET",
      path: "/openapi.json",
      doc: { summary: "This document", tag: TAG, answer: z.looseObject({ openapi: z.string() }) },
      handle: async ({ version }) => {
        const { openApiDocument } = await import("./openapi/document.ts");
        return Response.json(openApiDocument(all(), version));
      },
    },
    {
      method: "GET",
      path: "/docs",
      doc: { summary: "This document as a page", tag: TAG, answerType: "text/html" },
      handle: async () => {
        const { DOCS_PAGE } = await import("./openapi/page.ts");
        return new Response(DOCS_PAGE, { headers: DOCS_HEADERS });
      },
    },
    {
      method: "GET",
      path: "/v1/models",
      doc: { summary: "The models that can be asked", tag: "OpenAI", answer: modelsAnswer },
      handle: async ({ models }) => Response.json(encodeModels(await models())),
    },
    {
      method: "GET",
      path: "/v1/models/:id{.+}",
      doc: { summary: "One model", tag: "OpenAI", answer: modelAnswer },
      handle: async (services, { params }) => {
        const { status, adapter } = await statusOf(services, params.id ?? "");
        return Response.json(encodeModel(status, adapter));
      },
    },
  ];
}

/** Who asks for it: `?format=json`, or a client that takes JSON and no plain text. */
function wantsJson(request: Request, query: URLSearchParams): boolean {
  const format = query.get("format");
  if (format !== null) return format === "json";
  const accept = request.headers.get("accept") ?? "";
  return accept.includes("application/json") && !accept.includes("text/plain");
}
