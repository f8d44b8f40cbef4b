import { expect, test } from "vitest";
import * as z from "zod/mini";
import { documentedAs, type EndpointDoc } from "../../protocols/document.ts";
import { openApiDocument } from "./document.ts";

const tag = "Tests";
const ERROR = { $ref: "#/components/schemas/Error" };

function operationOf(doc: Partial<EndpointDoc>, path = "/x") {
  const { paths } = openApiDocument([{ method: "POST", path, doc: { summary: "s", tag, ...doc } }], "1");
  return JSON.parse(JSON.stringify(Object.values(paths)[0]!.post));
}

const bodyOf = (schema: z.core.$ZodType) => operationOf({ body: schema }).requestBody.content["application/json"].schema;

test("parameters of a path are told as OpenAPI has them, slashes and all", () => {
  const { paths } = openApiDocument([{ method: "GET", path: "/a/:name{.+}/b/:id", doc: { summary: "s", tag } }], "1");
  expect(Object.keys(paths)).toEqual(["/a/{name}/b/{id}"]);
  const told = paths["/a/{name}/b/{id}"]!.get as { parameters: unknown; operationId: string };
  expect(told.operationId).toBe("getANameBId");
  expect(told.parameters).toEqual(["name", "id"].map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })));
});

test("what is checked piece by piece is shown as a whole, also within other schemas", () => {
  const judged = documentedAs(z.unknown(), z.array(z.string()));
  expect(bodyOf(z.object({ list: z.nullish(judged) })).properties.list).toEqual({
    anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }],
  });
});

test("a whole number has the bounds that it was given, and not those of JavaScript", () => {
  const { properties } = bodyOf(z.object({ any: z.int(), some: z.int().check(z.gte(1), z.lte(9)) }));
  expect(properties).toEqual({ any: { type: "integer" }, some: { type: "integer", minimum: 1, maximum: 9 } });
});

test("a route with failures of its own has the usual ones too: those of the guards before it", () => {
  const schemaOf = (doc: Partial<EndpointDoc>) => operationOf(doc).responses["4XX"].content["application/json"].schema;
  expect(schemaOf({})).toEqual(ERROR);
  expect(schemaOf({ failure: z.looseObject({ error: z.string() }) }).anyOf).toEqual([
    ERROR,
    expect.objectContaining({ required: ["error"], properties: { error: { type: "string" } } }),
  ]);
});

test("a route that is always refused has no good answer", () => {
  expect(Object.keys(operationOf({ served: false }).responses)).toEqual(["4XX", "5XX"]);
});

test("of a stream of events each event is told; of lines of JSON each line", () => {
  const answer = z.looseObject({ status: z.string() });
  const media = (alsoAnswers: EndpointDoc["alsoAnswers"] & string) =>
    operationOf({ answer, alsoAnswers }).responses["200"].content[alsoAnswers].schema.properties;
  expect(Object.keys(media("text/event-stream"))).toEqual(["event", "data"]);
  expect(media("application/x-ndjson")).toEqual({ status: { type: "string" } });
});
