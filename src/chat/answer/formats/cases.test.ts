import { describe, expect, test } from "vitest";
import type { Tool } from "../../../contract/generation.ts";
import { grammarFault } from "../../../grammar/gbnf-check.ts";
import type { AnswerFormat } from "../format.ts";
import { compileAnswer } from "../grammar.ts";
import { toolNamed } from "../test-support.ts";
import { DEEPSEEK_V3_1 } from "./deepseek.ts";
import { TOOLS } from "./fixtures.ts";
import { FUNCTIONARY_3_2 } from "./functionary.ts";
import { GEMMA_4 } from "./gemma.ts";
import { GLM_4_5 } from "./glm.ts";
import { HARMONY } from "./harmony.ts";
import { KIMI_K2 } from "./kimi.ts";
import { LFM2 } from "./lfm2.ts";
import { QWEN3_CODER } from "./qwen3-coder.ts";
import { read, Sampler } from "./test-support.ts";

const PARIS = { name: "weather", arguments: '{"city": "Paris"}', whole: true };

function tool(parameters: object): Tool {
  return { type: "function", function: { name: "f", parameters } };
}

describe("arguments that stand raw", () => {
  const call = (value: string) => `<tool_call>\n<function=f>\n<parameter=x>\n${value}\n</parameter>\n</function>\n</tool_call>`;
  const readX = (schema: unknown, value: string) => {
    const { calls } = read(QWEN3_CODER, [call(value)], [tool({ type: "object", properties: schema === undefined ? {} : { x: schema } })]);
    expect(calls.map(({ whole }) => whole)).toEqual([true]);
    return JSON.parse(calls[0]!.arguments).x;
  };

  test.each([
    [{ type: "string" }, "123", "123"],
    [{ type: "string" }, '{"a": 1}', '{"a": 1}'],
    [{ type: "string" }, '"quoted"', '"quoted"'],
    [{ type: "string" }, "", ""],
    [{ type: "string" }, " a\n", " a\n"],
    [{ enum: ["1", "2"] }, "1", "1"],
    [{ type: "integer" }, "123", 123],
    [{ type: "boolean" }, "True", true],
    [{ type: ["string", "null"] }, "None", null],
    [{ type: ["string", "null"] }, '"null"', "null"],
    [{ type: "array" }, '["</parameter>", "\\n"]', ["</parameter>", "\n"]],
    [{ type: "object" }, '{"a": {"b": "}"}}', { a: { b: "}" } }],
    [{}, "123", 123],
    [{}, "plain words", "plain words"],
    [undefined, "[sic] he said", "[sic] he said"],
    [undefined, "{ never closed", "{ never closed"],
    [undefined, '"half', '"half'],
    [{ $ref: "#/$defs/none" }, "constructor", "constructor"],
  ])("by the schema %j, %j is %j", (schema, value, expected) => {
    expect(readX(schema, value)).toEqual(expected);
  });

  test("the end mark may stand in a string of JSON", () => {
    const text = '<tool_call>f\n<arg_key>x</arg_key>\n<arg_value>["</arg_value>\\n"]</arg_value>\n</tool_call>';
    const { calls } = read(GLM_4_5, [text], [tool({ properties: { x: { type: "array" } } })]);
    expect(calls).toEqual([{ name: "f", arguments: '{"x": ["</arg_value>\\n"]}', whole: true }]);
  });

  test("an argument that comes twice ends the call, which is then not whole", () => {
    const twice = "<parameter=x>\n1\n</parameter>\n".repeat(2);
    const { calls } = read(QWEN3_CODER, [`<tool_call>\n<function=f>\n${twice}</function>\n</tool_call>`], [tool({})]);
    expect(calls).toEqual([{ name: "f", arguments: '{"x": 1', whole: false }]);
  });

  test("the mark before the first call may be missing", () => {
    const text = "I call.\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>";
    expect(read(QWEN3_CODER, [text], TOOLS)).toEqual({ reasoning: "", text: "I call.", calls: [PARIS] });
  });
});

describe("arguments in other notations", () => {
  test.each([
    ['{city:<|"|>Paris<|"|>}', { city: "Paris" }],
    ['{city:"Paris","days" : 3}', { city: "Paris", days: 3 }],
    ['{a:{b:[<|"|>x<|"|>,-1.5,true,null]},c:{}}', { a: { b: ["x", -1.5, true, null] }, c: {} }],
    ["{a:[],b:None}", { a: [], b: null }],
  ])("Gemma 4: %s", (args, expected) => {
    const { calls, text } = read(GEMMA_4, [`<|tool_call>call:weather${args}<tool_call|>`], TOOLS);
    expect([text, calls.map((call) => [JSON.parse(call.arguments), call.whole])]).toEqual(["", [[expected, true]]]);
  });

  test.each([
    ["city='Paris'", { city: "Paris" }],
    ['city="it\'s", days = 3', { city: "it's", days: 3 }],
    ["city='it\\'s \\\\ \\n'", { city: "it's \\ \n" }],
    ["a=['x', {'y': True}], b=None", { a: ["x", { y: true }], b: null }],
  ])("LFM2: %s", (args, expected) => {
    const { calls, text } = read(LFM2, [`<|tool_call_start|>[weather(${args})]<|tool_call_end|>`], TOOLS);
    expect([text, calls.map((call) => [JSON.parse(call.arguments), call.whole])]).toEqual(["", [[expected, true]]]);
  });
});

describe("harmony", () => {
  const answer = (...messages: string[]) => messages.join("<|end|><|start|>assistant");
  const readHarmony = (text: string) => read(HARMONY, [text], TOOLS);

  test("thoughts are reasoning, preambles and the final message are text", () => {
    const text = answer(
      "<|channel|>analysis<|message|>Hm.",
      "<|channel|>commentary<|message|>I look.",
      "<|channel|>analysis<|message|>So.",
      "<|channel|>final<|message|>It rains.",
    );
    expect(readHarmony(text)).toEqual({ reasoning: "Hm.\n\nSo.", text: "I look.\n\nIt rains.", calls: [] });
  });

  test.each([
    '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>',
    '<|channel|>commentary to=functions.weather json<|message|>{"city": "Paris"}',
    '<|channel|>commentary to=functions.weather<|message|>{"city": "Paris"}<|end|>',
    '<|channel|>analysis to=functions.weather code<|message|>{"city": "Paris"}',
    ' to=functions.weather<|channel|>commentary <|constrain|>json<|message|>{"city": "Paris"}',
    '<|start|>assistant to=functions.weather<|channel|>commentary json<|message|>{"city": "Paris"}',
    '<|channel|>commentary<|channel|>commentary to=functions.weather<|message|>{"city": "Paris"}',
  ])("a call: %s", (text) => {
    expect(readHarmony(text)).toEqual({ reasoning: "", text: "", calls: [PARIS] });
  });

  test("what the model's own tools are told is a thought", () => {
    expect(readHarmony("<|channel|>commentary to=python code<|message|>print(1)")).toEqual({ reasoning: "print(1)", text: "", calls: [] });
  });

  test("a call of a function that nobody offered is text", () => {
    const text = "<|channel|>commentary to=functions.other json<|message|>{}";
    expect(readHarmony(text)).toEqual({ reasoning: "", text: "{}", calls: [] });
  });

  test("T43 without tools a call is text", () => {
    const text = '<|channel|>commentary to=functions.weather json<|message|>{"city": "Paris"}';
    expect(read(HARMONY, [text], [])).toEqual({ reasoning: "", text: '{"city": "Paris"}', calls: [] });
  });

  test("behind a prompt that has opened the message, all is text", () => {
    expect(readHarmony("It rains. <|chan")).toEqual({ reasoning: "", text: "It rains. <|chan", calls: [] });
  });

  test("a header that is cut short is nobody's text", () => {
    expect(readHarmony("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|chan")).toEqual({
      reasoning: "Hm.",
      text: "",
      calls: [],
    });
  });

  test("a constrained text stands on the final channel, and nothing else can be said but a call", () => {
    const job = { format: "harmony", parallel: true, constraint: { gbnf: 'root ::= "a" b\nb ::= "b"' } };
    const texts = new Set<string>();
    for (const tools of [[], TOOLS]) {
      const { constraint } = compileAnswer({ ...job, tools });
      expect([grammarFault(constraint.gbnf), constraint.triggers, constraint.once]).toEqual([undefined, undefined, undefined]);
      const sampler = new Sampler(constraint.gbnf);
      for (let i = 0; i < 60; i++) {
        const text = sampler.text(Math.random);
        const answer = readHarmony(text);
        if (tools.length === 0) texts.add(text);
        if (answer.calls.length === 0) expect(answer).toEqual({ reasoning: "", text: "ab", calls: [] });
        else expect([tools.length > 0, answer.text, answer.calls[0]!.whole]).toEqual([true, "", true]);
      }
    }
    expect(texts).toContain("<|channel|>final<|message|>ab");
    expect(texts).toContain("<|start|>assistant<|channel|>final <|constrain|>json<|message|>ab");
  });
});

describe("functionary v3.2", () => {
  test("the prompt has begun the first part", () => {
    expect(read(FUNCTIONARY_3_2, ['weather\n{"city": "Paris"}'], TOOLS)).toEqual({ reasoning: "", text: "", calls: [PARIS] });
    expect(read(FUNCTIONARY_3_2, ["all\nIt rains."], TOOLS)).toEqual({ reasoning: "", text: "It rains.", calls: [] });
  });

  test("lines of Python are text", () => {
    expect(read(FUNCTIONARY_3_2, ["all\n>>> weather\n>>>x"], TOOLS).text).toBe(">>> weather\n>>>x");
  });
});

describe("what follows a call", () => {
  const weather = '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>';
  const kimi = '<|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|>';
  test.each<[string, AnswerFormat, string]>([
    ["DeepSeek", DEEPSEEK_V3_1, `<｜tool▁calls▁begin｜>${weather}`],
    ["Kimi", KIMI_K2, `<|tool_calls_section_begin|>${kimi}`],
  ])("%s: is text where it is no further call", (_, format, text) => {
    expect(read(format, [`${text}and so on`], TOOLS)).toEqual({ reasoning: "", text: "and so on", calls: [PARIS] });
  });
});

test("many raw strings share the rules of the mark that ends them", () => {
  const properties = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, { type: "string" }]));
  const tools = Array.from({ length: 100 }, (_, i) => toolNamed(`t${i}`, { type: "object", properties }));
  for (const format of ["qwen3-coder", "gemma-4"])
    expect(compileAnswer({ format, tools, parallel: true }).constraint.gbnf.length, format).toBeLessThan(2e6);
});
