/** Grammars of tool calls, asked of libllama itself: what they let through, how large they are, what is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileAnswer, type GrammarJob } from "../../src/chat/answer/grammar.ts";
import { ShimmyError } from "../../src/contract/errors.ts";
import type { Tool } from "../../src/contract/generation.ts";
import { withPrefix } from "../../src/grammar/rename.ts";
import { Matcher } from "../structured/matcher.ts";

const matcher = new Matcher();

function tool(name: string, parameters?: unknown, strict?: boolean): Tool {
  return { type: "function", function: { name, ...(parameters !== undefined && { parameters }), ...(strict !== undefined && { strict }) } };
}

const city = { type: "object", properties: { city: { type: "string" }, days: { type: "integer", maximum: 9 } }, required: ["city"] };
const tools = [tool("weather", city), tool("clock"), tool("weather_map", { type: "object", properties: {} })];

const FORMATS = {
  hermes: { behind: (name: string, json: string) => `\n{"name": "${name}", "arguments": ${json}}\n</tool_call>`, trigger: "<tool_call>" },
  generic: { behind: (name: string, json: string) => `{"name": "${name}", "arguments": ${json}}</tool_call>`, trigger: "<tool_call>" },
  llama3: { behind: (name: string, json: string) => ` "${name}", "parameters": ${json}}`, trigger: '{"name":' },
  "mistral-v3": {
    behind: (name: string, json: string) => `[{"name": "${name}", "arguments": ${json}, "id": "abcDEF123"}]`,
    trigger: "[TOOL_CALLS]",
  },
  "mistral-v11-ids": { behind: (name: string, json: string) => `${name}[CALL_ID]abcDEF123[ARGS]${json}`, trigger: "[TOOL_CALLS]" },
  "mistral-v13": { behind: (name: string, json: string) => `${name}[ARGS]${json}`, trigger: "[TOOL_CALLS]" },
} as const;
type Name = keyof typeof FORMATS;
const names = Object.keys(FORMATS) as Name[];

const compile = (format: Name, job: Partial<GrammarJob> = {}) => compileAnswer({ format, tools, parallel: true, ...job });

describe.each(names)("%s", (name) => {
  const { behind, trigger } = FORMATS[name];
  const call = (tool: string, json: string) => trigger + behind(tool, json);

  test("behind a trigger only calls of the tools with arguments of their schemas", () => {
    const { constraint, warnings } = compile(name);
    expect(warnings).toEqual([]);
    expect(constraint.triggers!.map(({ text }) => text)).toContain(trigger);
    expect(constraint.once).toBeUndefined();
    const matches = matcher.grammar(constraint.gbnf);
    expect(matches(behind("weather", '{"city": "Paris", "days": 3}'))).toBe(true);
    expect(matches(behind("weather", '{"city":"[ARGS]</tool_call>\\" {"}'))).toBe(true);
    expect(matches(behind("weather", "{}"))).toBe(false);
    expect(matches(behind("weather", '{"city": 1}'))).toBe(false);
    expect(matches(behind("nobody", "{}"))).toBe(false);
  });

  test("T39 a tool without parameters is called with {}", () => {
    const matches = matcher.grammar(compile(name).constraint.gbnf);
    for (const bare of ["clock", "weather_map"]) {
      expect(matches(behind(bare, "{}"))).toBe(true);
      expect(matches(behind(bare, '{"a": 1}'))).toBe(false);
    }
  });

  test("T42 required: calls from the start; named: this tool alone, once", () => {
    const required = compile(name, { toolChoice: "required" }).constraint;
    expect(required.triggers).toBeUndefined();
    const matches = matcher.grammar(required.gbnf);
    expect(matches(call("clock", "{}"))).toBe(true);
    expect(matches("I cannot.")).toBe(false);
    const named = matcher.grammar(compile(name, { toolChoice: { name: "weather" } }).constraint.gbnf);
    expect(named(call("weather", '{"city": "P"}'))).toBe(true);
    expect(named(call("clock", "{}"))).toBe(false);
    expect(() => compile(name, { toolChoice: { name: "nobody" } })).toThrow(/tool_choice.*nobody/);
  });

  test("T40 one call at most where that is asked for", () => {
    const { constraint } = compile(name, { parallel: false });
    expect(constraint.once).toBe(true);
    const single = matcher.grammar(compile(name, { toolChoice: "required", parallel: false }).constraint.gbnf);
    const two =
      name === "mistral-v3"
        ? '[TOOL_CALLS][{"name": "clock", "arguments": {}}, {"name": "clock", "arguments": {}}]'
        : call("clock", "{}").repeat(2);
    expect(single(call("clock", "{}"))).toBe(true);
    expect(single(two)).toBe(false);
    if (name !== "llama3") expect(matcher.grammar(compile(name, { toolChoice: "required" }).constraint.gbnf)(two)).toBe(true);
  });

  test("with a constraint of the text: calls, or a text that matches it", () => {
    const constraint = { schema: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, param: "response_format" };
    const answer = compile(name, { constraint }).constraint;
    expect(answer.triggers).toBeUndefined();
    const matches = matcher.grammar(answer.gbnf);
    expect(matches('{"a": 1}')).toBe(true);
    expect(matches(call("clock", "{}"))).toBe(true);
    expect(matches('{"a": "x"}')).toBe(false);
    const required = matcher.grammar(compile(name, { constraint, toolChoice: "required" }).constraint.gbnf);
    expect(required('{"a": 1}')).toBe(false);
  });
});

test("a caller's own grammar can be combined with tools, whatever its rules are called", () => {
  const gbnf = 'root ::= "a" s # a comment of root\ns ::= [a-z]{1,3} ("\\"root" | part-1)?\npart-1 ::= "value"';
  const matches = matcher.grammar(compile("hermes", { constraint: { gbnf } }).constraint.gbnf);
  expect([matches("abc"), matches('abcd"root'), matches("abvalue"), matches("b")]).toEqual([true, true, true, false]);
  expect(withPrefix(gbnf, "x-")).toBe(
    'x-root ::= "a" x-s # a comment of root\nx-s ::= [a-z]{1,3} ("\\"root" | x-part-1)?\nx-part-1 ::= "value"',
  );
});

describe("schemas that no grammar can promise", () => {
  const odd = { type: "object", properties: { a: { type: "string", not: { const: "x" } } }, required: ["a"] };

  test("of a strict tool are an error that names the place", () => {
    const job = { tools: [tool("clock"), tool("odd", odd, true)] };
    expect(() => compile("hermes", job)).toThrow(ShimmyError);
    expect(() => compile("hermes", job)).toThrow("tools[1].function.parameters.properties.a.not");
  });

  test("else the tool takes any object, with a warning, and the others keep theirs", () => {
    const { constraint, warnings } = compile("hermes", { tools: [tool("odd", odd), tool("weather", city), tool("odd2", odd)] });
    expect(warnings).toEqual([expect.stringContaining("odd may be called"), expect.stringContaining("odd2 may be called")]);
    const matches = matcher.grammar(constraint.gbnf);
    expect(matches(FORMATS.hermes.behind("odd", '{"anything": [1, null]}'))).toBe(true);
    expect(matches(FORMATS.hermes.behind("weather", '{"anything": 1}'))).toBe(false);
    expect(matches(FORMATS.hermes.behind("weather", '{"city": "P"}'))).toBe(true);
  });

  test("a schema of another type than an object is none of arguments", () => {
    const text = tool("text", { type: "string" }, true);
    expect(() => compile("hermes", { tools: [text] })).toThrow(/tools\[0\]\.function\.parameters.*no value/);
  });
});

test("schemas may refer to their own definitions, tools apart", () => {
  const tree = {
    $defs: { n: { type: "object", properties: { next: { $ref: "#/$defs/n" } } } },
    type: "object",
    properties: { n: { $ref: "#/$defs/n" } },
  };
  const matches = matcher.grammar(
    compile("hermes", { tools: [tool("a", tree), tool("b", { ...tree, $defs: { n: { type: "null" } } })] }).constraint.gbnf,
  );
  expect(matches(FORMATS.hermes.behind("a", '{"n": {"next": {"next": {}}}}'))).toBe(true);
  expect(matches(FORMATS.hermes.behind("b", '{"n": null}'))).toBe(true);
  expect(matches(FORMATS.hermes.behind("b", '{"n": {}}'))).toBe(false);
});

test("a hundred tools, each with 48 optional parameters, are compiled in a moment and stay small", () => {
  const parameters = {
    type: "object",
    properties: Object.fromEntries(
      Array.from({ length: 48 }, (_, i) => [`option_${i}`, { type: i % 2 ? "string" : "number", description: "an option" }]),
    ),
  };
  const many = Array.from({ length: 100 }, (_, i) => tool(`server_tool_${i}`, parameters));
  const before = performance.now();
  const { constraint } = compile("hermes", { tools: many });
  const ms = performance.now() - before;
  expect(ms).toBeLessThan(1500);
  expect(constraint.gbnf.length).toBeLessThan(1_500_000);
  const matches = matcher.grammar(constraint.gbnf);
  expect(matches(FORMATS.hermes.behind("server_tool_57", '{"option_1": "a", "option_46": 2, "option_47": "b"}'))).toBe(true);
});

test("T44 any JSON object of a schema without limits is let through as JSON.stringify spells it", () => {
  const free = matcher.grammar(
    compile("hermes", { tools: [tool("free", { type: "object", additionalProperties: true })] }).constraint.gbnf,
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      fc.pre(!/\p{Surrogate}/u.test(JSON.stringify(value)) && !/e[+-]?\d/.test(JSON.stringify(value)));
      expect(free(FORMATS.hermes.behind("free", JSON.stringify(value)))).toBe(true);
    }),
    { numRuns: 100 },
  );
});
