import { describe, expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import { anyObjectGrammar, compileSchema } from "./compile.ts";
import { grammarFault } from "./gbnf-check.ts";

function refusalOf(schema: unknown): string {
  try {
    compileSchema(schema, "s");
  } catch (error) {
    if (error instanceof ShimmyError && error.code === "invalid_value") return error.param!;
    throw error;
  }
  return "accepted";
}

const object = (properties: object) => ({ type: "object", properties });

const REFUSED: ReadonlyArray<readonly [schema: unknown, path: string]> = [
  ["text", "s"],
  [[], "s"],
  [null, "s"],
  [false, "s"],
  [object({ a: { not: {} } }), "s.properties.a.not"],
  [object({ a: 1 }), "s.properties.a"],
  [object({ a: { type: "text" } }), "s.properties.a.type"],
  [{ properties: [] }, "s.properties"],
  [{ required: [1] }, "s.required"],
  [{ if: {} }, "s.if"],
  [{ anyOf: [] }, "s.anyOf"],
  [{ anyOf: [{}, { contains: {} }] }, "s.anyOf[1].contains"],
  [{ allOf: [{ type: "string" }, { type: "null" }] }, "s"],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "s.oneOf[1]"],
  [{ oneOf: [object({ a: {} }), object({ b: {} })] }, "s.oneOf[1]"],
  // What has both properties satisfies both branches.
  [
    {
      oneOf: [
        { ...object({ a: {}, b: {} }), required: ["a", "b"] },
        { ...object({ a: {} }), required: ["a"] },
      ],
    },
    "s.oneOf[1]",
  ],
  [{ type: "array", uniqueItems: true }, "s.uniqueItems"],
  [{ type: "array", minItems: -1 }, "s.minItems"],
  [{ type: "array", maxItems: 5e6 }, "s.maxItems"],
  [{ type: "array", items: { dependentRequired: {} } }, "s.items.dependentRequired"],
  [{ type: "string", format: "regex" }, "s.format"],
  [{ type: "string", pattern: "(" }, "s.pattern"],
  [{ type: "string", pattern: "(?=a)" }, "s.pattern"],
  [{ type: "string", pattern: "(a)\\1" }, "s.pattern"],
  [{ type: "string", pattern: "\\bword" }, "s.pattern"],
  [{ type: "string", pattern: "\\p{L}" }, "s.pattern"],
  [{ type: "string", pattern: "a^b" }, "s.pattern"],
  [{ type: "string", pattern: "^ab$", minLength: 3 }, "s.minLength"],
  [{ type: "string", pattern: "^2024", format: "date" }, "s.format"],
  [{ type: "number", multipleOf: 3 }, "s.multipleOf"],
  [{ type: "number", multipleOf: 10, minimum: 0 }, "s.multipleOf"],
  [{ type: "number", minimum: "1" }, "s.minimum"],
  [{ type: "integer", minimum: 1e30 }, "s.minimum"],
  [{ type: "integer", minimum: 3, maximum: 2 }, "s"],
  [{ enum: [1], minimum: 0 }, "s.minimum"],
  [{ type: "object", minProperties: 2, additionalProperties: {} }, "s.minProperties"],
  [{ ...object({ a: {}, b: {} }), maxProperties: 1 }, "s.maxProperties"],
  [{ ...object({ a: false }), required: ["a"] }, "s"],
  [{ type: "object", required: ["a"], additionalProperties: false }, "s"],
  [{ type: "object", patternProperties: { a: {}, b: {} } }, "s.patternProperties"],
  [{ $ref: "other.json" }, "s.$ref"],
  [{ $ref: "#/$defs/none" }, "s.$ref"],
  [{ $ref: "#" }, "s.$ref"],
  [{ anyOf: [{ $ref: "#" }, { type: "null" }] }, "s.anyOf[0].$ref"],
  [{ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, "s.$defs.b.$ref"],
];

test.each(REFUSED)("refuses %j naming the path", (schema, path) => {
  expect(refusalOf(schema)).toBe(path);
});

test("known patterns of zod beside their formats are no contradiction", async () => {
  const z = await import("zod");
  const schema = z.toJSONSchema(
    z.object({
      e: z.email(),
      u: z.uuid(),
      d: z.iso.date(),
      t: z.iso.datetime(),
      p: z.iso.duration(),
      i: z.ipv4(),
      h: z.hostname(),
      n: z.int().min(1),
    }),
  );
  expect(refusalOf(schema)).toBe("accepted");
});

describe("bounds", () => {
  const nested = (depth: number): unknown => (depth === 0 ? {} : { type: "array", items: nested(depth - 1) });

  test("depth", () => {
    expect(refusalOf(nested(60))).toBe("accepted");
    expect(refusalOf(nested(5000))).toMatch(/^s(\.items)+$/);
  });

  test("number of schemas", () => {
    const properties = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`p${i}`, {}]));
    expect(refusalOf(object(properties))).toBe("s");
  });

  test("references that double at every step", () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`a${i}`, { anyOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] }]),
    );
    expect(refusalOf({ $ref: "#/$defs/a0", $defs: { ...$defs, a40: { type: "null" } } })).toBe("s");
  });

  test("objects of optional objects grow with their size, not with their depth", () => {
    const deep = (depth: number): object => (depth === 0 ? { type: "null" } : object({ a: deep(depth - 1), b: { type: "null" } }));
    expect(compileSchema(deep(30), "s").length).toBeLessThan(20_000);
    const lists = (depth: number): object => (depth === 0 ? { type: "null" } : { type: "array", items: lists(depth - 1) });
    expect(compileSchema(lists(50), "s").length).toBeLessThan(20_000);
  });

  test("an enum of 20,000 strings compiles in a time nobody notices", () => {
    const values = Array.from({ length: 20_000 }, (_, i) => `item ${(i * 7919) % 1_000_003} ${i}`);
    compileSchema({ enum: values.slice(0, 2000) }, "s"); // warm
    const before = performance.now();
    compileSchema({ enum: values }, "s");
    expect(performance.now() - before).toBeLessThan(300); // about 20 ms when nobody else computes
  });

  test("texts that all begin with each other do not exhaust the stack", () => {
    const values = Array.from({ length: 3000 }, (_, i) => "a".repeat(i));
    expect(refusalOf({ enum: values })).toMatch(/^(accepted|s)$/);
  });
});

test("what is generated passes the check for grammars of callers", () => {
  const schemas = [
    {},
    { enum: ["a\u0007", "\\", '"'] },
    object({ 'é"': { type: "string", maxLength: 3 } }),
    { $ref: "#/$defs/a", $defs: { a: { type: "array", items: { $ref: "#/$defs/a" } } } },
  ];
  for (const schema of schemas) expect(grammarFault(compileSchema(schema, "s"))).toBeUndefined();
  expect(grammarFault(anyObjectGrammar())).toBeUndefined();
});

describe("a grammar of a caller", () => {
  test.each([
    'root ::= "yes" | "no"',
    '# comment\nroot ::= item+ # more\nitem ::= [a-z]{2,5} ("," | "\\n") .?\n',
    'root ::= (\n  "a" |\n  "b"\n)*\r\nx ::= root "c"',
    'root ::= <think> "x" !<[7]>',
    'root ::= "a" root | ',
    `root ::= ${Array.from({ length: 3000 }, (_, i) => `"word${i}"`).join(" | ")}`,
    `root ::= "a" (${Array.from({ length: 9000 }, (_, i) => `"word${i}"`).join(" ")})`,
  ])("%j can be tried", (gbnf) => {
    expect(grammarFault(gbnf)).toBeUndefined();
  });

  test.each([
    ["", "no rule 'root'"],
    ['a ::= "x"', "no rule 'root'"],
    ["root ::= a", "'a' is not defined"],
    ['root ::= "x', "line 1: the end of a text"],
    ["root = x", "line 1: ::="],
    ['root ::= "a"\n\n)', "line 3: a rule's name"],
    ['root ::= root "a"', "left recursion"],
    ['root ::= e root "x" | "y"\ne ::= f\nf ::= "a" | ""', "left recursion"],
    [`root ::= ${"(".repeat(3000)}`, "nested more than 100 deep"],
    ['root ::= "a"{5000}', "repetition must be below 2000"],
    [`root ::= r0\n${Array.from({ length: 40 }, (_, i) => `r${i} ::= r${i + 1} | r${i + 1}`).join("\n")}\nr40 ::= "x"`, "branch too often"],
    [`root ::= r0\n${Array.from({ length: 3000 }, (_, i) => `r${i} ::= r${i + 1}`).join("\n")}\nr3000 ::= "x"`, "too long a chain"],
    [`root ::= ${Array.from({ length: 5000 }, (_, i) => `"word${i}"`).join(" | ")}`, "5001 alternatives are too many"],
    ['root ::= "\0"', "NUL"],
  ])("%j is refused with a reason", (gbnf, reason) => {
    expect(grammarFault(gbnf)).toContain(reason);
  });
});

test("thousands of properties compile in a time nobody notices", () => {
  const names = Array.from({ length: 8000 }, (_, i) => `property ${i}`);
  const properties = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  const before = performance.now();
  expect(refusalOf({ ...object(properties), required: names })).toBe("accepted");
  expect(refusalOf({ ...object(properties), required: names, additionalProperties: true })).toBe("accepted");
  expect(refusalOf(object(properties))).toBe("s"); // each of them might be the next
  expect(performance.now() - before).toBeLessThan(2000);
});

test("a name that others must differ from has its limit, and no other", () => {
  const named = (length: number, more = {}) => ({ ...object({ ["n".repeat(length)]: {} }), ...more });
  expect(refusalOf(named(20_000))).toBe("accepted");
  expect([500, 501, 20_000].map((length) => refusalOf(named(length, { additionalProperties: true })))).toEqual(["accepted", "s", "s"]);
});
