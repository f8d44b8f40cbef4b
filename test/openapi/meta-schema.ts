/**
 * The parts of the OpenAPI 3.1 document that this server writes, as a JSON Schema of their own (spec.openapis.org/oas/v3.1.0, sections
 * 4.8.1 to 4.8.30). Closed where the specification is: a misspelled field is an error. `bench/openapi` has the official one look too.
 */
const text = { type: "string", minLength: 1 };
const closed = (properties: object, required: readonly string[] = []) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});
const schema = { type: ["object", "boolean"] };
const media = {
  type: "object",
  minProperties: 1,
  propertyNames: { pattern: "^[a-z]+/[a-z0-9.+-]+$" },
  additionalProperties: closed({ schema, example: {} }, ["schema"]),
};
const parameter = closed(
  { name: text, in: { enum: ["path", "query", "header"] }, required: { type: "boolean" }, description: text, schema },
  ["name", "in", "schema"],
);
const operation = closed(
  {
    operationId: { type: "string", pattern: "^[A-Za-z0-9]+$" },
    summary: text,
    description: text,
    tags: { type: "array", items: text, minItems: 1 },
    parameters: { type: "array", items: parameter },
    requestBody: closed({ required: { type: "boolean" }, description: text, content: media }, ["content"]),
    responses: {
      type: "object",
      minProperties: 1,
      propertyNames: { pattern: "^([1-5]([0-9]{2}|XX)|default)$" },
      additionalProperties: closed({ description: text, headers: { type: "object" }, content: media }, ["description"]),
    },
  },
  ["operationId", "summary", "tags", "responses"],
);

export const META_SCHEMA = closed(
  {
    openapi: { const: "3.1.0" },
    info: closed({ title: text, version: text, description: text, license: closed({ name: text, identifier: text }, ["name"]) }, [
      "title",
      "version",
    ]),
    servers: { type: "array", items: closed({ url: text }, ["url"]) },
    tags: { type: "array", uniqueItems: true, items: closed({ name: text, description: text }, ["name"]) },
    paths: {
      type: "object",
      propertyNames: { pattern: "^/" },
      additionalProperties: closed({ get: operation, post: operation, delete: operation, put: operation }),
    },
    components: closed({
      schemas: { type: "object", propertyNames: { pattern: "^[A-Za-z0-9._-]+$" }, additionalProperties: schema },
      securitySchemes: { type: "object", additionalProperties: { type: "object", required: ["type"] } },
    }),
    security: { type: "array", items: { type: "object" } },
  },
  ["openapi", "info", "paths"],
);
