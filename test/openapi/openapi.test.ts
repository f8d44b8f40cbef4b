/** /openapi.json and /docs: valid, complete, and true of what the server answers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { META_SCHEMA } from "./meta-schema.ts";
import { compile, documentOf, type Endpoint, endpointsOf, fault, type OpenApi } from "./support.ts";

/** What Shimmy Tiny cannot do: refused with this code. */
const REFUSED: Readonly<Record<string, string>> = { "/v1/moderations": "moderation_unavailable" };

let server: TestServer;
let api: OpenApi;
let endpoints: Endpoint[];
beforeAll(async () => {
  server = await startServer({ args: ["--max-tokens-default", "8"], env: { SHIMMY_OFFLINE: "on" } });
  api = await documentOf(server);
  endpoints = endpointsOf(api);
});
afterAll(() => server.stop());

const jsonBody = ({ operation }: Endpoint) => operation.requestBody?.content["application/json"];
const named = ({ method, path }: Endpoint) => `${method} ${path}`;

function send({ method, path }: Pick<Endpoint, "method" | "path">, body?: unknown): Promise<Response> {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return fetch(server.url + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
}

describe("the document", () => {
  test("is valid OpenAPI 3.1", () => {
    const validate = compile(META_SCHEMA, { ...api, components: { schemas: {} } });
    expect(validate(api), JSON.stringify(validate.errors)).toBe(true);
    const ids = endpoints.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = new Set(endpoints.flatMap(({ operation }) => operation.tags));
    expect(new Set(api.tags.map(({ name }) => name))).toEqual(tags);
    for (const { path, operation } of endpoints) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(operation.parameters?.filter((each) => each.in === "path").map(({ name }) => name) ?? []).toEqual(inPath);
    }
  });

  test("has only schemas that a validator takes", () => {
    for (const { operation } of endpoints) {
      const contents = [operation.requestBody, ...Object.values(operation.responses)].flatMap((each) => Object.values(each?.content ?? {}));
      for (const { schema } of contents) expect(() => compile(schema, api), operation.operationId).not.toThrow();
    }
  });

  test("tells of every route what it is for, what it takes and what it answers", () => {
    const silent = endpoints.filter(({ method, path, operation }) => operation.summary === `${method} ${path}`);
    expect(silent.map(named)).toEqual([]);
    const vague = endpoints.filter(({ path, operation }) => {
      if (path in REFUSED) return false;
      const good = Object.entries(operation.responses).filter(([status]) => /^2/.test(status));
      return (
        good.length === 0 || good.some(([, { content }]) => Object.values(content).some(({ schema }) => Object.keys(schema).length === 0))
      );
    });
    expect(vague.map(named)).toEqual([]);
  });

  test("lists the routes that are served, and no others", async () => {
    const { json } = { json: JSON.parse((await ask(server, "/")).text) };
    const patterns = new Set(json.routes.map((route: string) => route.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}")));
    expect(new Set(endpoints.map(({ path }) => path))).toEqual(patterns);
  });
});

describe("what it says is true", () => {
  test("examples are answered, and answers are as documented", async () => {
    const withExample = endpoints.filter((endpoint) => jsonBody(endpoint)?.example !== undefined && !(endpoint.path in REFUSED));
    expect(withExample.length).toBeGreaterThan(8);
    for (const endpoint of withExample) {
      const validate = compile(jsonBody(endpoint)!.schema, api);
      const { example } = jsonBody(endpoint)!;
      expect(validate(example), `${named(endpoint)}: ${JSON.stringify(validate.errors)}`).toBe(true);
      const response = await send({ ...endpoint, path: endpoint.path.replace("{name}", "shimmy-tiny") }, example);
      expect([named(endpoint), response.status]).toEqual([named(endpoint), Number(Object.keys(endpoint.operation.responses)[0])]);
      expect([named(endpoint), await fault(api, endpoint, response)]).toEqual([named(endpoint), undefined]);
    }
  });

  test("what is asked for without a body is answered as documented, before a model is loaded and after", async () => {
    const { id } = JSON.parse(await (await send({ method: "POST", path: "/v1/responses" }, { input: "Hi" })).text());
    const parameters: Readonly<Record<string, string>> = {
      "/v1/models/{id}": "shimmy-tiny",
      "{name}": "shimmy-tiny",
      "/v1/responses/{id}": id,
    };
    const filled = (path: string) =>
      Object.entries(parameters).reduce((sum, [part, value]) => sum.replace(part, part.replace(/\{\w+\}/, value)), path);
    for (const state of ["unload", "load"]) {
      await send({ method: "POST", path: `/models/${state}` }, { model: "shimmy-tiny" });
      for (const endpoint of endpoints.filter(({ method, path }) => method === "GET" && !filled(path).includes("{"))) {
        const response = await send({ ...endpoint, path: filled(endpoint.path) });
        expect([named(endpoint), response.status]).toEqual([named(endpoint), 200]);
        expect([named(endpoint), await fault(api, endpoint, response)]).toEqual([named(endpoint), undefined]);
      }
    }
  });

  test("every refusal has the documented dress, whatever the route", async () => {
    for (const endpoint of endpoints) {
      const path = endpoint.path.replace(/\{\w+\}/, "no-such-thing");
      const bodies = endpoint.method === "POST" ? [[], { model: 7 }, undefined] : [undefined];
      for (const body of bodies) {
        const response = await send({ ...endpoint, path }, body);
        expect([named(endpoint), await fault(api, endpoint, response)]).toEqual([named(endpoint), undefined]);
      }
      const foreign = await ask(server, path, { method: endpoint.method, headers: { host: "evil.example" } });
      const headers = { "content-type": String(foreign.headers["content-type"]) };
      expect(foreign.status).toBe(403);
      expect(await fault(api, endpoint, new Response(foreign.text, { status: foreign.status, headers }))).toBeUndefined();
    }
  });

  test("what this model cannot do is refused with a code of its own", async () => {
    for (const endpoint of endpoints.filter(({ path }) => path in REFUSED)) {
      const response = await send(endpoint, jsonBody(endpoint)?.example ?? {});
      expect(JSON.parse(await response.text())).toMatchObject({ error: { code: REFUSED[endpoint.path] } });
    }
  });
});
