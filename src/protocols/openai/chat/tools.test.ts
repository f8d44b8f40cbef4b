import { describe, expect, test } from "vitest";
import { CONTEXT, refusal } from "../test-support.ts";
import { decodeChat } from "./decode.ts";

const messages = [{ role: "user", content: "Hi" }];
const tool = (name: string, more: object = {}) => ({ type: "function", function: { name, ...more } });
const TOOLS = [tool("get_weather", { description: "Weather", parameters: { type: "object" } }), tool("now")];
const decode = (fields: object) => decodeChat({ messages, ...fields }, CONTEXT);
const promptOf = (fields: object) => {
  const { prompt } = decode(fields).request;
  if (prompt.kind !== "chat") throw new Error(`A chat became ${prompt.kind}`);
  const { kind: _, messages: __, ...rest } = prompt;
  return rest;
};
const refuse = (fields: object) => refusal(() => decode(fields));
const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);

describe("tools", () => {
  test("arrive as they came: the order of keys, strict and unknown fields included", () => {
    const tools = [{ function: { parameters: { b: 1, a: 2 }, name: "f.g-h_1", strict: true, x: 1 }, type: "function", cache_control: {} }];
    expect(JSON.stringify(promptOf({ tools }).tools)).toBe(
      '[{"type":"function","function":{"parameters":{"b":1,"a":2},"name":"f.g-h_1","strict":true,"x":1}}]',
    );
  });

  test("T5 null in a tool is the same as nothing, and so is its type", () => {
    const tools = [{ type: null, function: { name: "f", description: null, parameters: null, strict: null } }];
    expect(promptOf({ tools })).toEqual({ tools: [tool("f")] });
  });

  test.each([[undefined], [null], [[]]])("%j is none", (tools) => {
    expect(promptOf({ tools })).toEqual({});
  });

  test("of types that only OpenAI runs are passed over", () => {
    const foreign = [{ type: "web_search" }, { type: "custom", custom: { name: "c" } }, { type: "mcp", function: 5 }];
    expect(promptOf({ tools: [foreign[0], ...TOOLS, ...foreign] })).toEqual({ tools: TOOLS });
    expect(promptOf({ tools: foreign })).toEqual({});
  });

  test.each<[object, string, string]>([
    [{ tools: [tool("a b")] }, "tools[0].function.name", "must be 1 to 64 letters"],
    [{ tools: [tool("")] }, "tools[0].function.name", "must be 1 to 64 letters"],
    [{ tools: [tool("a".repeat(65))] }, "tools[0].function.name", "must be 1 to 64 letters"],
    [{ tools: [tool("ok"), { type: "function" }] }, "tools[1].function", "it is required"],
    [{ tools: [{}] }, "tools[0].function", "it is required"],
    [{ tools: [{ type: "function", function: {} }] }, "tools[0].function.name", "it is required"],
    [{ tools: [tool("f", { parameters: [] })] }, "tools[0].function.parameters", "must be an object, not an array"],
    [{ tools: [tool("f"), tool("g"), tool("f")] }, "tools[2].function.name", "there are two functions 'f'"],
    [{ tools: Array.from({ length: 513 }, (_, id) => tool(`f${id}`)) }, "tools", "must have at most 512 items"],
    [{ tools: ["search"] }, "tools[0]", "must be an object"],
    [{ tools: {} }, "tools", "must be an array"],
    [{ functions: [{ name: 5 }] }, "functions[0].name", "must be a string"],
    [{ functions: [{ name: "f" }, { name: "f" }] }, "functions[1].name", "there are two functions 'f'"],
    [{ functions: [{ name: "f" }], tools: TOOLS }, "functions", "it cannot be combined with tools"],
  ])("T6 %j is a 400 that names its place", (fields, param, reason) => {
    const refused = refuse(fields);
    expect(refused).toMatchObject({ code: "invalid_value", param });
    expect(refused.reason).toContain(reason);
  });
});

test.each([300, 100_000])("parameters of %d levels are a 400, for schemas are walked by recursion", (levels) => {
  expect(refuse({ tools: [tool("f", { parameters: deep(levels) })] })).toMatchObject({ param: "tools[0].function.parameters" });
  expect(() => decode({ tools: [tool("f", { parameters: deep(100) })] })).not.toThrow();
});

describe("T42 tool_choice", () => {
  const choose = (tool_choice: unknown) => promptOf({ tools: TOOLS, tool_choice });

  test.each([[null], ["auto"], [{ type: "auto" }]])("%j leaves it to the model", (choice) => {
    expect(choose(choice)).toEqual({ tools: TOOLS });
  });

  test.each([["none"], [{ type: "none" }]])("T43 %j shows the template no tools", (choice) => {
    expect(choose(choice)).toEqual({});
  });

  test.each([["required"], ["any"], [{ type: "required" }]])("%j demands a call", (choice) => {
    expect(choose(choice)).toEqual({ tools: TOOLS, toolChoice: "required" });
  });

  test.each([
    [{ type: "function", function: { name: "now" } }],
    [{ function: { name: "now" } }],
    [{ type: "function", name: "now" }],
    [{ type: "tool", name: "now" }],
  ])("%j demands that call", (choice) => {
    expect(choose(choice)).toEqual({ tools: TOOLS, toolChoice: { name: "now" } });
  });

  test("allowed_tools leaves out all others, wrapped or flat", () => {
    const allowed = { mode: "required", tools: [tool("now")] };
    expect(choose({ type: "allowed_tools", allowed_tools: allowed })).toEqual({ tools: [TOOLS[1]], toolChoice: "required" });
    const flat = { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "get_weather" }] };
    expect(choose(flat)).toEqual({ tools: [TOOLS[0]] });
  });

  test.each<[object, string, string]>([
    [{ tools: TOOLS, tool_choice: { type: "function", function: { name: "fly" } } }, "tool_choice", "there is no function 'fly'"],
    [{ tool_choice: { type: "function", function: { name: "now" } } }, "tool_choice", "there is no function 'now'"],
    [{ tool_choice: "required" }, "tool_choice", "a call is required and there are no tools"],
    [{ tools: [{ type: "web_search" }], tool_choice: "required" }, "tool_choice", "a call is required and there are no tools"],
    [{ tools: TOOLS, tool_choice: { type: "function" } }, "tool_choice.function.name", "it is required"],
    [{ tools: TOOLS, tool_choice: {} }, "tool_choice.function.name", "it is required"],
    [{ tools: TOOLS, tool_choice: "sometimes" }, "tool_choice", "must be 'none', 'auto', 'required' or name a function"],
    [{ tools: TOOLS, tool_choice: { type: "web_search" } }, "tool_choice", "must be 'none'"],
    [{ tools: TOOLS, tool_choice: 5 }, "tool_choice", "must be a string or an object"],
    [{ tools: TOOLS, tool_choice: { type: "allowed_tools" } }, "tool_choice.allowed_tools.tools", "it is required"],
    [
      { tools: TOOLS, tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tool("fly")] } } },
      "tool_choice",
      "there is no function 'fly'",
    ],
    [
      { tools: TOOLS, tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [] } } },
      "tool_choice",
      "a call is required",
    ],
    [{ functions: [{ name: "f" }], function_call: { name: "g" } }, "function_call", "there is no function 'g'"],
  ])("%j is a 400", (fields, param, reason) => {
    const refused = refuse(fields);
    expect(refused).toMatchObject({ code: "invalid_value", param });
    expect(refused.reason).toContain(reason);
  });
});

test("T40 parallel_tool_calls: null and nothing are true, false is at most one", () => {
  for (const parallel_tool_calls of [undefined, null, true])
    expect(promptOf({ tools: TOOLS, parallel_tool_calls })).toEqual({ tools: TOOLS });
  expect(promptOf({ tools: TOOLS, parallel_tool_calls: false })).toEqual({ tools: TOOLS, parallelToolCalls: false });
  expect(promptOf({ parallel_tool_calls: false })).toEqual({});
});

test("functions and function_call are tools and tool_choice for one call, and the answer speaks their language", () => {
  const functions = [{ name: "now", parameters: {} }];
  const call = decode({ functions, function_call: { name: "now" } });
  expect(call.legacyFunctions).toBe(true);
  const tools = [tool("now", { parameters: {} })];
  expect(promptOf({ functions, function_call: { name: "now" } })).toEqual({ tools, toolChoice: { name: "now" }, parallelToolCalls: false });
  expect(promptOf({ functions, function_call: "auto" })).toEqual({ tools, parallelToolCalls: false });
  expect(promptOf({ functions, function_call: "none" })).toEqual({});
  expect(decode({ tools: TOOLS }).legacyFunctions).toBe(false);
});

test("response_format goes along with tools, a grammar of the caller does not", () => {
  const format = { response_format: { type: "json_object" }, tools: TOOLS };
  expect(decode(format).request.constraint).toMatchObject({ schema: { type: "object" } });
  expect(promptOf(format).tools).toEqual(TOOLS);
  const grammar = { grammar: 'root ::= "y"', tools: TOOLS };
  expect(refuse(grammar)).toMatchObject({ param: "grammar" });
  expect(decode({ ...grammar, tool_choice: "none" }).request.constraint).toEqual({ gbnf: 'root ::= "y"' });
});
