/** Random schemas of every construct that is promised, for the property test; and the judge of the answers. */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";

/** Strict about dates, so that a wrong grammar shows. */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && isDay(text),
  "date-time": (text) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)) && isDay(text.slice(0, 10)),
  uuid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text),
  email: (text) => /^[^@\s]+@[^@\s]+\.[a-z]{2,}$/.test(text),
  ipv4: (text) => text.split(".").length === 4 && text.split(".").every((part) => String(Number(part)) === part && Number(part) < 256),
};

function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === text;
}

/** A reason, or undefined when the text is JSON and matches. */
export function violation(schema: object, text: string): string | undefined {
  const ajv = new Ajv2020({ strict: false, formats: FORMATS });
  const validate = ajv.compile(schema);
  try {
    return validate(JSON.parse(text)) ? undefined : ajv.errorsText(validate.errors);
  } catch (error) {
    return String(error);
  }
}

const count = fc.integer({ min: 0, max: 3 });
const name = fc.constantFrom("name", "age", "a b", 'q"uote', "é", "k", "na", "tags");
const text = fc.constantFrom("red", "green", "greenish", "", "line\nbreak", 'say "hi"', "\u{1f600}", "back\\slash");

const string = fc.oneof(
  fc.record({ type: fc.constant("string"), minLength: count, maxLength: count.map((n) => n + 3) }, { requiredKeys: ["type", "maxLength"] }),
  fc.constantFrom(...Object.keys(FORMATS)).map((format) => ({ type: "string", format })),
  fc
    .constantFrom("^\\d{3}-\\d{4}$", "^[A-Z][a-z]{1,5}( [A-Z][a-z]{1,5})?$", "^(yes|no)$", "^\\w{1,8}$", '^[^\\s"]{1,4}$', "^a?b{2}$")
    .map((pattern) => ({ type: "string", pattern })),
);
const integer = fc
  .tuple(fc.integer({ min: -1500, max: 1500 }), fc.integer({ min: 0, max: 2000 }))
  .map(([minimum, width]) => ({ type: "integer", minimum, maximum: minimum + width }));
const number = fc
  .tuple(fc.integer({ min: -300, max: 300 }), fc.integer({ min: 1, max: 500 }))
  .map(([low, width]) => ({ type: "number", exclusiveMinimum: low / 100, maximum: (low + width) / 100 }));
const scalar = fc.oneof(
  string,
  integer,
  number,
  fc.constantFrom(
    { type: "boolean" },
    { type: "null" },
    { type: ["integer", "null"] },
    { type: "integer", multipleOf: 10 },
    { type: "number" },
  ),
  fc.uniqueArray(fc.oneof(text, fc.integer(), fc.constant(null)), { minLength: 1, maxLength: 5 }).map((values) => ({ enum: values })),
  text.map((value) => ({ const: value })),
);

const { schema, object } = fc.letrec<{ schema: object; object: object; array: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    scalar,
    { arbitrary: tie("object"), weight: 3 },
    tie("array"),
    tie("object").map((part) => ({ anyOf: [part, { type: "null" }] })),
  ),
  object: fc.oneof(
    fc.uniqueArray(fc.tuple(name, tie("schema"), fc.boolean()), { minLength: 1, maxLength: 4, selector: ([key]) => key }).chain((members) =>
      fc.constantFrom(undefined, false, { type: "boolean" }).map((additionalProperties) => ({
        type: "object",
        properties: Object.fromEntries(members.map(([key, value]) => [key, value])),
        required: members.filter(([, , required]) => required).map(([key]) => key),
        ...(additionalProperties !== undefined && { additionalProperties }),
      })),
    ),
    fc.tuple(scalar, count).map(([additionalProperties, n]) => ({ type: "object", additionalProperties, maxProperties: n })),
    fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => ({
      allOf: [
        { type: "object", properties: { a }, required: ["a"] },
        { type: "object", properties: { b }, required: ["b"] },
      ],
    })),
    fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => ({
      oneOf: [
        { type: "object", properties: { kind: { const: "a" }, a }, required: ["kind", "a"] },
        { type: "object", properties: { kind: { const: "b" }, b }, required: ["kind"] },
      ],
    })),
    fc.constant({ $ref: "#/$defs/node" }),
  ),
  array: fc.oneof(
    fc.tuple(tie("schema"), count, count).map(([items, min, more]) => ({ type: "array", items, minItems: min, maxItems: min + more })),
    fc.tuple(scalar, scalar).map((prefixItems) => ({ type: "array", prefixItems, minItems: 2, items: false })),
  ),
}));

/** What `#/$defs/node` means. */
const defined = (root: object, value: object) => ({
  ...root,
  $defs: {
    node: {
      type: "object",
      properties: { value, children: { type: "array", items: { $ref: "#/$defs/node" }, maxItems: 2 } },
      required: ["value"],
      additionalProperties: false,
    },
  },
});

export const anySchema = fc.tuple(schema, scalar).map(([root, value]) => defined(root, value));
/** Of objects alone, as the parameters of a tool are. */
export const anyParameters = fc.tuple(object, scalar).map(([root, value]) => defined(root, value));
