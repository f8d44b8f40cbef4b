/** The formats of tool calls: as their authors document them, and as the templates of this room print calls of the past. */
import { describe, expect, test } from "vitest";
import type { ChatMessage, Tool } from "../../contract/generation.ts";
import { ALTERNATING, CHATML, HERMES, LLAMA3, MISTRAL_V3, MISTRAL_V11, MISTRAL_V13, QWEN3 } from "../fixtures.ts";
import { ChatTemplate } from "../template.ts";
import { formatOf } from "./formats/index.ts";
import { type Folded, folded, toolNamed } from "./test-support.ts";

const tools = ["weather", "clock", "get", "get_time", "brave_search"].map((name) => toolNamed(name));
const CONTROL = ["<|im_end|>", "<|python_tag|>", "<|eot_id|>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[INST]", "[/INST]", "</s>"];

function templateOf(source: string): ChatTemplate {
  return new ChatTemplate({ source, model: "test", family: "llama", bosToken: "<s>", eosToken: "</s>", controlTokens: CONTROL });
}

const user = (content: string): ChatMessage => ({ role: "user", content });

/** What a chat of this template makes of an answer, one character at a time. */
function read(source: string, answer: string, offered: readonly Tool[] = tools): Folded & { readonly ids: readonly string[] } {
  const { answer: plan } = templateOf(source).render({ kind: "chat", messages: [user("U")], tools: offered });
  const reader = plan.reader!();
  const pieces = [...[...answer].flatMap((piece) => reader.push(piece)), ...reader.end()];
  return { ...folded(pieces), ids: pieces.flatMap((piece) => (piece.kind === "call" ? [piece.id] : [])) };
}

const call = (name: string, json: string) => ({ name, arguments: json, whole: true });

const TEMPLATES = { CHATML, ALTERNATING, HERMES, QWEN3, LLAMA3, MISTRAL_V3, MISTRAL_V11, MISTRAL_V13 };

test("the format is chosen by the template", () => {
  expect(Object.values(TEMPLATES).map((template) => formatOf(template).name)).toEqual([
    "generic",
    "generic",
    "hermes",
    "hermes",
    "llama3",
    "mistral-v3",
    "mistral-v11-ids",
    "mistral-v13",
  ]);
  expect(formatOf("").name).toBe("generic");
  expect(formatOf("<tool_call>\\n<function=").name).not.toBe("hermes");
});

describe("documented answers are read", () => {
  test.each<[string, string, string, ReturnType<typeof call>[], string]>([
    // NousResearch/Hermes-2-Pro-Llama-3-8B, model card
    [
      "Hermes",
      HERMES,
      '<tool_call>\n{"name": "weather", "arguments": {"symbol": "TSLA"}}\n</tool_call>',
      [call("weather", '{"symbol": "TSLA"}')],
      "",
    ],
    // Qwen/Qwen2.5-7B-Instruct, docs/function_call: two calls
    [
      "Qwen",
      QWEN3,
      '<tool_call>\n{"name": "weather", "arguments": {"location": "San Francisco, CA, USA"}}\n</tool_call>\n<tool_call>\n{"name": "clock", "arguments": {"date": "2024-10-01"}}\n</tool_call>',
      [call("weather", '{"location": "San Francisco, CA, USA"}'), call("clock", '{"date": "2024-10-01"}')],
      "",
    ],
    ["Hermes without line breaks", HERMES, 'Hm.\n<tool_call>{"name":"clock","arguments":{}}</tool_call>', [call("clock", "{}")], "Hm."],
    // llama.com, Llama 3.1 prompt template: zero-shot and built-in calls
    ["Llama 3, JSON", LLAMA3, '{"name": "weather", "parameters": {"city": "Paris"}}', [call("weather", '{"city": "Paris"}')], ""],
    ["Llama 3, typed", LLAMA3, '{"type": "function", "name": "clock", "parameters": {}}', [call("clock", "{}")], ""],
    ["Llama 3, tag", LLAMA3, '<|python_tag|>{"name": "weather", "parameters": {"a": "}"}}', [call("weather", '{"a": "}"}')], ""],
    [
      "Llama 3, two",
      LLAMA3,
      '{"name": "clock", "parameters": {}}; {"name": "get", "parameters": {}}',
      [call("clock", "{}"), call("get", "{}")],
      "",
    ],
    [
      "Llama 3, built in",
      LLAMA3,
      '<|python_tag|>brave_search.call(query="weather in \\"Paris\\" (today)")',
      [call("brave_search", JSON.stringify({ query: 'weather in \\"Paris\\" (today)' }))],
      "",
    ],
    // mistral-common, tests of the tokenizers v3, v11 and v13; llama.cpp, tests/test-chat.cpp
    [
      "Mistral v3",
      MISTRAL_V3,
      '[TOOL_CALLS][{"name": "weather", "arguments": {"arg1": 1}, "id": "123456789"}, {"name": "clock", "arguments": {}, "id": "123456780"}]',
      [call("weather", '{"arg1": 1}'), call("clock", "{}")],
      "",
    ],
    ["Mistral v3, with a space", MISTRAL_V3, '[TOOL_CALLS] [{"name": "get", "arguments": {}}]', [call("get", "{}")], ""],
    ["Mistral v11", MISTRAL_V11, '[TOOL_CALLS]weather[CALL_ID]123456789[ARGS]{"arg1": 1}', [call("weather", '{"arg1": 1}')], ""],
    [
      "Mistral v13",
      MISTRAL_V13,
      'Hello!\nWhat\'s up?[TOOL_CALLS]get_time[ARGS]{"arg1": 1}[TOOL_CALLS]get[ARGS]{}',
      [call("get_time", '{"arg1": 1}'), call("get", "{}")],
      "Hello!\nWhat's up?",
    ],
    ["generic", CHATML, '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>', [call("clock", "{}")], ""],
  ])("%s", (_, template, answer, calls, text) => {
    const read_ = read(template, answer);
    expect(read_).toMatchObject({ reasoning: "", text, calls });
  });

  test("T39 a call without arguments has empty ones", () => {
    expect(read(QWEN3, '<tool_call>\n{"name": "clock"}\n</tool_call>').calls).toEqual([call("clock", "{}")]);
  });

  test("ids are OpenAI's, or as short as Mistral's templates demand", () => {
    const answers = [
      [QWEN3, '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>', /^call_[A-Za-z0-9]{24}$/],
      [MISTRAL_V3, '[TOOL_CALLS][{"name": "clock", "arguments": {}}]', /^[A-Za-z0-9]{9}$/],
      [MISTRAL_V13, "[TOOL_CALLS]clock[ARGS]{}", /^[A-Za-z0-9]{9}$/],
    ] as const;
    for (const [template, answer, id] of answers) expect(read(template, answer).ids).toEqual([expect.stringMatching(id)]);
    expect(new Set(Array.from({ length: 50 }, () => read(QWEN3, answers[0][1]).ids[0])).size).toBe(50);
  });
});

describe("what cannot be read stays text", () => {
  test.each([
    ["Hermes", QWEN3, '<tool_call>\n{"name": "nobody", "arguments": {}}\n</tool_call>'],
    ["Hermes, a list", QWEN3, '<tool_call>["weather"]</tool_call>'],
    ["Hermes, text for arguments", QWEN3, '<tool_call>{"name": "weather", "arguments": "x"}</tool_call>'],
    ["Llama 3, other JSON", LLAMA3, '{"name": "Bob", "age": 3}'],
    ["Llama 3, code", LLAMA3, "<|python_tag|>print(1)"],
    ["Mistral v3", MISTRAL_V3, "[TOOL_CALLS] none"],
    ["Mistral v13", MISTRAL_V13, "[TOOL_CALLS]weather(1)"],
  ])("%s", (_, template, answer) => {
    expect(read(template, answer)).toMatchObject({ reasoning: "", text: answer, calls: [] });
  });
});

/** The last turn of a conversation that ends with this answer, without the mark of its end. */
function printed(
  source: string,
  calls: ReadonlyArray<{ readonly name: string; readonly arguments: string }>,
  content = "",
  options = {},
): string {
  const template = templateOf(source);
  const toolCalls = calls.map((each, i) => ({ id: `abcdefgh${i}`, type: "function", function: each }));
  const textOf = (messages: readonly ChatMessage[]) =>
    template
      .render({ kind: "chat", messages, tools, templateOptions: options })
      .segments.map(({ text }) => text)
      .join("");
  const before = textOf([user("U")]);
  const whole = textOf([user("U"), { role: "assistant", content, extra: { tool_calls: toolCalls } }]);
  expect(whole.startsWith(before)).toBe(true);
  return whole.slice(before.length).split(/<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\/s>/)[0]!;
}

describe("T44 what a template prints for a call of the past is read back, whatever stands in it", () => {
  const values = {
    "a b": 'quotes " and \\ and \n lines',
    x: ["</tool_call>", "<think>", "[ARGS]{", { "}": "]" }],
    n: -1.5e3,
    é: "🙂 日本",
    e: "",
  };
  const several = [
    { name: "weather", arguments: JSON.stringify(values) },
    { name: "get_time", arguments: "{}" },
  ];

  test.each(["HERMES", "QWEN3", "MISTRAL_V3", "MISTRAL_V11", "MISTRAL_V13", "CHATML", "ALTERNATING"] as const)("%s", (name) => {
    const { calls, text } = read(TEMPLATES[name], printed(TEMPLATES[name], several));
    expect(text).toBe("");
    expect(calls.map((each) => [each.name, JSON.parse(each.arguments), each.whole])).toEqual([
      ["weather", values, true],
      ["get_time", {}, true],
    ]);
  });

  test("LLAMA3", () => {
    const [first] = several;
    const { calls } = read(LLAMA3, printed(LLAMA3, [first!]));
    expect(calls.map((each) => [each.name, JSON.parse(each.arguments)])).toEqual([["weather", values]]);
    const search = { name: "brave_search", arguments: '{"query":"Paris"}' };
    const builtIn = printed(LLAMA3, [search], "", { builtin_tools: ["brave_search"] });
    expect(builtIn).toBe('<|python_tag|>brave_search.call(query="Paris")');
    expect(read(LLAMA3, builtIn).calls).toEqual([call("brave_search", '{"query":"Paris"}')]);
  });

  test("text beside the calls", () => {
    expect(read(QWEN3, printed(QWEN3, several, "Let me see."))).toMatchObject({ text: "Let me see.", calls: [{}, {}] });
  });
});
