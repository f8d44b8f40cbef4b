/**
 * The OpenAPI 3.1 document of this server (spec.openapis.org/oas/v3.1.0), from the routes as they are served and the zod schemas that judge
 * their requests. Called by app.ts for /openapi.json; loaded with its first request, for the conversion costs a chunk of zod.
 */
import * as z from "zod/mini";
import { documentOf, type EndpointDoc } from "../../protocols/document.ts";

export interface DocumentedRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** Hono's pattern. */
  readonly path: string;
  readonly doc?: EndpointDoc;
}

type Json = Record<string, unknown>;

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: Json;
  readonly paths: Record<string, Record<string, Json>>;
  readonly components: Json;
  readonly [name: string]: unknown;
}

export function openApiDocument(routes: readonly DocumentedRoute[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path, doc } of routes) {
    const { pattern, names } = pathOf(path);
    paths[pattern] ??= {};
    paths[pattern][method.toLowerCase()] = operation(method, pattern, names, doc ?? { summary: `${method} ${pattern}`, tag: "Server" });
  }
  const tags = [...new Set(routes.map(({ doc }) => doc?.tag ?? "Server"))];
  return {
    openapi: "3.1.0",
    info: {
      title: "Shimmy",
      version,
      description:
        "A local inference server for GGUF models. Paths below /v1 are answered without /v1 too. With --api-key a key is asked for, as a bearer token or as x-api-key.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: ERROR },
      securitySchemes: { bearer: { type: "http", scheme: "bearer" }, apiKey: { type: "apiKey", in: "header", name: "x-api-key" } },
    },
    security: [{}, { bearer: [] }, { apiKey: [] }],
  };
}

/** `/v1/models/:id{.+}` → `/v1/models/{id}`, with the names of its parameters. */
function pathOf(path: string): { pattern: string; names: string[] } {
  const names: string[] = [];
  const pattern = path.replace(/:(\w+)(?:\{[^}]*\})?/g, (_, name: string) => {
    names.push(name);
    return `{${name}}`;
  });
  return { pattern, names };
}

function operation(method: string, pattern: string, names: readonly string[], doc: EndpointDoc): Json {
  const parameters = [
    ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(doc.query ?? {}).map(([name, schema]) => ({ name, in: "query", required: false, schema: schemaOf(schema) })),
  ];
  return {
    operationId: `${method.toLowerCase()}${pattern.replace(/[^A-Za-z0-9]+(\w)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? "")}`,
    summary: doc.summary,
    tags: [doc.tag],
    ...(parameters.length > 0 && { parameters }),
    ...(bodyOf(doc) ?? {}),
    responses: { ...(doc.served !== false && { [doc.status ?? 200]: answerOf(doc) }), ...failuresOf(doc) },
  };
}

function bodyOf(doc: EndpointDoc): Json | undefined {
  if (!doc.body) return undefined;
  const media = { schema: schemaOf(doc.body), ...(doc.example !== undefined && { example: doc.example }) };
  return { requestBody: { required: doc.bodyRequired ?? true, content: { [doc.bodyType ?? "application/json"]: media } } };
}

function answerOf(doc: EndpointDoc): Json {
  const content: Json =
    doc.answerType === undefined ? { "application/json": { schema: jsonOf(doc) } } : { [doc.answerType]: { schema: { type: "string" } } };
  if (doc.alsoAnswers) content[doc.alsoAnswers] = { schema: doc.alsoAnswers === "text/event-stream" ? EVENT : jsonOf(doc) };
  return { description: "It went well.", content };
}

/** The JSON of an answer, or of a line of it. */
function jsonOf({ answer }: EndpointDoc): Json {
  return answer ? schemaOf(answer, "output") : {};
}

function failuresOf({ failure }: EndpointDoc): Json {
  const usual = { $ref: "#/components/schemas/Error" };
  const schema = failure ? { anyOf: [usual, schemaOf(failure, "output")] } : usual;
  const answer = { description: "It went wrong; docs/errors.md lists the codes.", content: { "application/json": { schema } } };
  return { "4XX": answer, "5XX": answer };
}

/** JSON Schema 2020-12, the dialect of OpenAPI 3.1. What zod's refinements check is not in it. */
function schemaOf(schema: z.core.$ZodType, io: "input" | "output" = "input"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const as = documentOf(zodSchema);
      if (!as) return withoutEnds(jsonSchema);
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key as keyof typeof jsonSchema];
      Object.assign(jsonSchema, schemaOf(as, io));
    },
  });
  return rest;
}

/** Of every whole number zod says what JavaScript can count to. */
function withoutEnds(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER || schema.maximum === Number.MAX_VALUE) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER || schema.minimum === -Number.MAX_VALUE) delete schema.minimum;
}

/** OpenAPI 3.1 has no word for the parts of a stream: as is usual, the schema is that of each event. */
const EVENT: Json = {
  type: "object",
  description: "Each event. An error in mid-stream is one more event, whose data is the JSON of an error; nothing follows it.",
  required: ["data"],
  properties: { event: { type: "string" }, data: { type: "string", description: "JSON, or the dialect's end mark, such as [DONE]." } },
};

const ERROR: Json = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: ["string", "null"] },
        code: { type: "string" },
        hint: { type: "string" },
      },
    },
  },
};
