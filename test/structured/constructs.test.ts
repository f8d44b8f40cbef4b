/** What each construct of JSON Schema lets through and what not, asked of libllama with the grammar we make of it. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { anyObjectGrammar, compileSchema } from "../../src/grammar/compile.ts";
import { Matcher } from "./matcher.ts";

let matcher: Matcher;
beforeAll(() => {
  matcher = new Matcher();
});

const PERSON = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } }, required: ["name"] };
const A_OR_B = { a: { type: "null" }, b: { type: "null" } };
const TREE = {
  $ref: "#/$defs/node",
  $defs: { node: { type: "object", properties: { v: { type: "null" }, next: { $ref: "#/$defs/node" } }, required: ["v"] } },
};
const LIST = { anyOf: [{ type: "null" }, { type: "array", items: { $ref: "#" } }] };

type Row = readonly [name: string, schema: unknown, yes: readonly string[], no: readonly string[]];

const ROWS: readonly Row[] = [
  [
    "properties in their order, optional ones left out",
    PERSON,
    ['{"name":"x"}', '{"name": "x", "age": 3}'],
    ['{"age":3}', '{"age":3,"name":"x"}', '{"name":1}', '{"name":"x",}'],
  ],
  [
    "all optional",
    { type: "object", properties: A_OR_B },
    ["{}", '{"a":null}', '{"b":null}', '{"a":null,"b":null}'],
    ['{,"a":null}', '{"a":null "b":null}', '{"c":null}'],
  ],
  [
    "no names that are not declared, unless asked for",
    { ...PERSON, additionalProperties: false },
    ['{"name":"x"}'],
    ['{"name":"x","z":1}'],
  ],
  [
    "names beside the declared ones",
    { ...PERSON, additionalProperties: { type: "null" } },
    ['{"name":"x","z":null}', '{"name":"x","nam":null,"names":null,"":null}'],
    ['{"name":"x","z":1}', '{"name":"x","name":null}', '{"name":"x","age":null}'],
  ],
  ["a map", { type: "object", additionalProperties: { type: "boolean" } }, ["{}", '{"x":true,"y":false}'], ['{"x":1}']],
  [
    "required, not declared",
    { type: "object", required: ["k"], additionalProperties: { type: "null" } },
    ['{"k":null}', '{"k":null,"l":null}'],
    ["{}", '{"k":1}'],
  ],
  ["minProperties 1", { type: "object", properties: A_OR_B, minProperties: 1 }, ['{"b":null}'], ["{}"]],
  [
    "maxProperties of a map",
    { type: "object", additionalProperties: { type: "null" }, maxProperties: 2 },
    ["{}", '{"x":null,"y":null}'],
    ['{"x":null,"y":null,"z":null}'],
  ],
  [
    "propertyNames",
    { type: "object", propertyNames: { pattern: "^[a-z]+$" }, additionalProperties: { type: "null" } },
    ['{"x":null}'],
    ['{"X":null}', '{"":null}'],
  ],
  [
    "patternProperties",
    { type: "object", patternProperties: { "^k_\\d$": { type: "null" } }, additionalProperties: false },
    ["{}", '{"k_1":null,"k_2":null}'],
    ['{"k":null}', '{"k_1":1}'],
  ],
  [
    "names that need escapes",
    { type: "object", properties: { 'a"b\\é\n': { type: "null" } }, required: ['a"b\\é\n'] },
    ['{"a\\"b\\\\é\\n":null}'],
    ['{"a":null}'],
  ],
  [
    "arrays with bounds",
    { type: "array", items: { type: "null" }, minItems: 1, maxItems: 3 },
    ["[null]", "[null, null,null]"],
    ["[]", "[null,null,null,null]", "[null,]", "[1]"],
  ],
  ["maxItems 0", { type: "array", maxItems: 0 }, ["[]"], ["[1]"]],
  [
    "tuples",
    { prefixItems: [{ type: "null" }, { type: "boolean" }], items: { type: "string" } },
    ["[null,true]", '[null,true,"x"]'],
    ["[null]", "[true,null]", "[null,true,1]"],
  ],
  ["closed tuples", { prefixItems: [{ type: "null" }], items: false }, ["[null]"], ["[null,1]"]],
  ["tuples of draft 7", { items: [{ type: "null" }], additionalItems: { type: "boolean" } }, ["[null,true]"], ["[true]", "[null,null]"]],
  [
    "enum of any values",
    { enum: ["a", "ab", 1, null, { k: [1] }, "\ud83d\ude00", "\ud83d\ude01"] },
    ['"a"', '"ab"', "1", "null", '{"k":[1]}', '"\ud83d\ude00"', '"\ud83d\ude01"'],
    ['"b"', '"', '"abc"', "true", '"\ud83d\ude02"'],
  ],
  ["enum beside a type", { type: "string", enum: ["a", 1] }, ['"a"'], ["1"]],
  ["const", { const: { a: 1 } }, ['{"a":1}'], ["{}", '{"a":2}']],
  ["anyOf", { anyOf: [{ type: "null" }, { type: "string", maxLength: 1 }] }, ["null", '"x"', '""'], ['"xy"', "1"]],
  [
    "anyOf beside properties",
    { type: "object", properties: A_OR_B, anyOf: [{ required: ["a"] }, { required: ["b"] }] },
    ['{"a":null}', '{"b":null}', '{"a":null,"b":null}'],
    ["{}"],
  ],
  [
    "oneOf by a discriminator",
    {
      oneOf: [
        { type: "object", properties: { k: { const: "x" }, n: { type: "null" } }, required: ["k"] },
        { type: "object", properties: { k: { const: "y" } }, required: ["k"] },
      ],
    },
    ['{"k":"x"}', '{"k":"x","n":null}', '{"k":"y"}'],
    ["{}", '{"k":"y","n":null}', '{"k":"z"}'],
  ],
  [
    "oneOf by what is forbidden",
    {
      oneOf: [
        { type: "object", properties: { a: { type: "null" } }, required: ["a"], additionalProperties: false },
        { type: "object", properties: { b: { type: "null" } }, required: ["b"], additionalProperties: false },
      ],
    },
    ['{"a":null}', '{"b":null}'],
    ["{}", '{"a":null,"b":null}'],
  ],
  [
    "allOf of objects",
    { allOf: [PERSON, { type: "object", properties: { age: { maximum: 9, minimum: 0 }, on: { type: "null" } }, required: ["on"] }] },
    ['{"name":"x","age":7,"on":null}'],
    ['{"name":"x"}', '{"name":"x","age":12,"on":null}'],
  ],
  [
    "$ref with recursion",
    TREE,
    ['{"v":null}', '{"v":null,"next":{"v":null,"next":{"v":null}}}'],
    ['{"next":{"v":null}}', '{"v":null,"next":null}'],
  ],
  ["the whole schema within itself", LIST, ["null", "[]", "[[null],[]]"], ["[1]"]],
  [
    "$ref beside other keywords",
    {
      properties: { n: { $ref: "#/definitions/count", maximum: 3 } },
      required: ["n"],
      definitions: { count: { type: "integer", minimum: 1 } },
    },
    ['{"n":1}', '{"n":3}'],
    ['{"n":0}', '{"n":4}'],
  ],
  ["a pointer with escapes", { $ref: "#/$defs/a~1b%20c", $defs: { "a/b c": { type: "null" } } }, ["null"], ["1"]],
  ["several types", { type: ["string", "null"], maxLength: 2 }, ["null", '"ab"'], ["1", '"abc"']],
  ["nullable", { type: "integer", nullable: true }, ["null", "7"], ["true"]],
  ["anything", true, ["1", "null", '{"a":[1.5e3,"x"]}', '"\\u00e9"'], ["x", "{a:1}", '"\\ud800"']],
  ["annotations only", { title: "t", description: "d", default: 1, examples: [1], $comment: "c", "x-mine": { not: 1 } }, ["1", "[]"], [""]],
  [
    "lengths in characters, not bytes or units",
    { type: "string", minLength: 2, maxLength: 3 },
    ['"ab"', '"é\ud83d\ude00"', '"\\ud83d\\ude00\\n"', '"\\\\x\\""'],
    ['"a"', '"\\ud83d\\ude00"', '"abcd"', '"a\nb"'],
  ],
  [
    "a length above libllama's limit of repetition",
    { type: "string", minLength: 1500, maxLength: 2600 },
    [`"${"x".repeat(1500)}"`, `"${"x".repeat(2600)}"`],
    [`"${"x".repeat(1499)}"`, `"${"x".repeat(2601)}"`],
  ],
  ["a limit that means none", { type: "string", maxLength: 2 ** 31 - 1 }, ['"x"'], ["1"]],
  [
    "an anchored pattern",
    { type: "string", pattern: "^\\d{3}-[a-f]+\\s?(x|yz)*$" },
    ['"123-abc"', '"123-f xyz"'],
    ['"12-a"', '"123-g"', '"x123-a"'],
  ],
  ["a pattern found anywhere", { type: "string", pattern: "ab" }, ['"ab"', '"xxaby"'], ['"a"', '""']],
  ["anchors of alternatives and groups", { type: "string", pattern: "(^a$)|(^(?:b|c)$)" }, ['"a"', '"c"'], ['"ab"', '"xb"']],
  ["a pattern of characters that JSON escapes", { type: "string", pattern: '^["\\\\\\n]$' }, ['"\\""', '"\\\\"', '"\\n"'], ['"n"', '"""']],
  ["a negated class", { type: "string", pattern: "^[^a-z]$" }, ['"A"', '"\\""', '"é"'], ['"b"']],
  ["a pattern with lengths", { type: "string", pattern: "^[a-z]*$", minLength: 2, maxLength: 3 }, ['"ab"', '"abc"'], ['"a"', '"abcd"']],
  [
    "integer bounds",
    { type: "integer", minimum: -12, exclusiveMaximum: 105 },
    ["-12", "-9", "0", "99", "104"],
    ["-13", "105", "1000", "007", "1.0"],
  ],
  ["integer formats", { type: "integer", format: "uint8" }, ["0", "255"], ["-1", "256"]],
  ["multiples of ten", { type: "integer", multipleOf: 100 }, ["0", "100", "-1200"], ["10", "101", "050"]],
  ["cents", { type: "number", multipleOf: 0.01 }, ["1", "1.5", "1.25"], ["1.255", "1e3"]],
  [
    "number bounds",
    { type: "number", minimum: -0.5, maximum: 1.25 },
    ["-0.5", "-0.25", "0", "1", "1.25", "1.2"],
    ["-0.51", "-1", "1.26", "2", "1e0"],
  ],
  [
    "exclusive number bounds that no double may be rounded to",
    { type: "number", exclusiveMinimum: -3, exclusiveMaximum: 2 },
    ["-2.99", "1.99999999999999", "-0.5", "0.000001"],
    ["-2.9999999999999999", "1.99999999999999999", "-3", "2"],
  ],
  [
    "exclusive number bounds",
    { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
    ["0.1", "0.001", "0.999"],
    ["0", "0.0", "1", "-0.5"],
  ],
  [
    "format date",
    { type: "string", format: "date" },
    ['"2024-02-29"', '"2000-02-29"', '"1999-12-31"'],
    ['"2023-02-29"', '"1900-02-29"', '"2024-13-01"', '"2024-04-31"', '"24-1-1"'],
  ],
  ["format time", { type: "string", format: "time" }, ['"23:59:59Z"', '"00:00:00.5+02:00"'], ['"24:00:00Z"', '"12:00Z"']],
  ["format date-time", { type: "string", format: "date-time" }, ['"2024-02-29T12:00:00Z"'], ['"2024-02-29 12:00:00Z"']],
  ["format duration", { type: "string", format: "duration" }, ['"P1D"', '"PT5M"', '"P1Y2M3DT4H5M6S"', '"P2W"'], ['"P"', '"PT"', '"5M"']],
  ["format uuid", { type: "string", format: "uuid" }, ['"123e4567-e89b-42d3-a456-426614174000"'], ['"123e4567"']],
  ["format email", { type: "string", format: "email" }, ['"a.b@example.com"'], ['"a@b"', '"@x.org"', '"a b@c.de"']],
  ["format ipv4", { type: "string", format: "ipv4" }, ['"192.168.0.255"'], ['"256.1.1.1"', '"01.1.1.1"']],
  ["format uri", { type: "string", format: "uri" }, ['"https://example.com/a?b=c"'], ['"example.com"']],
];

describe.each(ROWS)("%s", (_, schema, yes, no) => {
  let matches: (text: string) => boolean;
  beforeAll(() => {
    matches = matcher.grammar(compileSchema(schema, "schema"));
  });
  test("lets through what it must", () => {
    expect(yes.filter((text) => !matches(text))).toEqual([]);
  });
  test("lets nothing else through", () => {
    expect(no.filter((text) => matches(text))).toEqual([]);
  });
});

test("json_object: any object, compact or with single spaces, and no white space that could go on for ever", () => {
  const matches = matcher.grammar(anyObjectGrammar());
  for (const text of ["{}", '{"a":1}', '{"a": [1, {"b": null}], "c": "\\n"}']) expect(matches(text), text).toBe(true);
  for (const text of ["[]", "1", '{"a":1} ', '{"a":  1}', '{"a":1,\n"b":2}', ' {"a":1}', '{"a":01}'])
    expect(matches(text), text).toBe(false);
});

test("an integer range holds exactly its integers", () => {
  const bound = fc.oneof(fc.integer({ min: -1200, max: 1200 }), fc.integer());
  fc.assert(
    fc.property(bound, bound, fc.array(bound, { minLength: 5 }), (a, b, values) => {
      const [minimum, maximum] = [Math.min(a, b), Math.max(a, b)];
      const matches = matcher.grammar(compileSchema({ type: "integer", minimum, maximum }, "s"));
      for (const value of [...values, minimum, maximum, minimum - 1, maximum + 1])
        expect([value, matches(String(value))]).toEqual([value, minimum <= value && value <= maximum]);
    }),
    { numRuns: 150 },
  );
});

test("a number range holds exactly its decimals", () => {
  const decimal = fc.tuple(fc.integer({ min: -2000, max: 2000 }), fc.integer({ min: 0, max: 3 })).map(([n, places]) => n / 10 ** places);
  fc.assert(
    fc.property(decimal, decimal, fc.boolean(), fc.array(decimal, { minLength: 5 }), (a, b, exclusive, values) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      if (low === high && exclusive) return;
      const schema = exclusive ? { exclusiveMinimum: low, maximum: high } : { minimum: low, exclusiveMaximum: high + 0.5 };
      const matches = matcher.grammar(compileSchema({ type: "number", ...schema }, "s"));
      const within = (value: number) => (exclusive ? value > low && value <= high : value >= low && value < high + 0.5);
      for (const value of [...values, low, high, high + 0.5].map((value) => value || 0))
        for (const text of [String(value), value.toFixed(4)])
          expect([low, high, text, matches(text)]).toEqual([low, high, text, within(Number(text))]);
    }),
    { numRuns: 150 },
  );
});

/** Patterns over few letters, so that texts fit often; no empty repetition, which is refused. */
const { regex } = fc.letrec<{ regex: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("a", "b", "[ab]", "[^a]", "\\d", "\\w", "\\s", ".", "\\.", "1", '"', "\\\\"),
    tie("regex").map((inner) => `(?:${inner})`),
  ),
  regex: fc
    .array(fc.tuple(tie("atom"), fc.constantFrom("", "", "", "?", "+", "*", "{2}", "{1,2}")), { minLength: 1, maxLength: 3 })
    .chain((items) => fc.constantFrom(items.map(([atom, times]) => atom + (atom.startsWith("(") && times === "*" ? "" : times)).join("")))
    .chain((sequence) =>
      fc.oneof(
        fc.constant(sequence),
        tie("atom").map((other) => `${sequence}|${other}`),
      ),
    ),
}));

test("a pattern lets through exactly the texts in which JavaScript finds it", () => {
  const anchors = fc.constantFrom(["", ""], ["^", ""], ["", "$"], ["^", "$"]);
  const texts = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "1", " ", ".", '"', "\\", "é"), maxLength: 6 }), {
    minLength: 20,
    maxLength: 20,
  });
  let compared = 0;
  fc.assert(
    fc.property(regex, anchors, texts, (inner, [start, end], values) => {
      const pattern = `${start}(?:${inner})${end}`;
      let gbnf: string;
      try {
        gbnf = compileSchema({ type: "string", pattern }, "s");
      } catch (error) {
        expect(String(error)).toContain("may be empty");
        return;
      }
      const matches = matcher.grammar(gbnf);
      const expected = new RegExp(pattern, "u");
      for (const value of values) {
        expect([pattern, value, matches(JSON.stringify(value))]).toEqual([pattern, value, expected.test(value)]);
        compared++;
      }
    }),
    { numRuns: 150 },
  );
  expect(compared).toBeGreaterThan(1000);
});
