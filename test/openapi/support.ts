/** The document of a running server, and whether its answers are what it says. */
import { Ajv2020 as Ajv } from "ajv/dist/2020.js";
import type { TestServer } from "../support/server.ts";

interface Media {
  readonly schema: object;
  readonly example?: unknown;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string }>;
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, Media>> }>>;
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: ReadonlyArray<{ readonly name: string }>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

export interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export async function documentOf({ url }: Pick<TestServer, "url">): Promise<OpenApi> {
  return JSON.parse(await (await fetch(`${url}/openapi.json`)).text());
}

export function endpointsOf({ paths }: OpenApi): Endpoint[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** The schema alone, with what it refers to. */
export function compile(schema: object, { components }: OpenApi) {
  // Unions of types are OpenAPI's and zod's way of "or null".
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, validateFormats: false });
  return ajv.addKeyword("components").compile({ ...schema, components });
}

/** What is wrong with an answer, by the document: undefined if nothing is. */
export async function fault(api: OpenApi, { operation }: Pick<Endpoint, "operation">, response: Response): Promise<string | undefined> {
  const { status } = response;
  const said = operation.responses[status] ?? operation.responses[`${Math.floor(status / 100)}XX`];
  const type = response.headers.get("content-type")?.replace(/;.*/, "") ?? "";
  const media = said?.content[type];
  const body = await response.text();
  if (!media) return `${status} ${type} is not documented: ${body.slice(0, 300)}`;
  if (type !== "application/json") return undefined;
  const validate = compile(media.schema, api);
  return validate(JSON.parse(body)) ? undefined : `${JSON.stringify(validate.errors)} in ${body.slice(0, 1000)}`;
}
