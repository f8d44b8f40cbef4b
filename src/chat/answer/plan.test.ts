/** What is known of an answer when its prompt is rendered: thoughts, switches, markers, readers. */
import { describe, expect, test } from "vitest";
import type { ChatMessage, ChatPrompt, ReasoningWish } from "../../contract/generation.ts";
import { CHATML, MISTRAL_V13, QWEN3, THINKING } from "../fixtures.ts";
import { ChatTemplate } from "../template.ts";
import { formatOf } from "./formats/index.ts";
import { thoughtMarks } from "./plan.ts";
import { folded, toolNamed } from "./test-support.ts";

const user: ChatMessage = { role: "user", content: "U" };
const tools = [toolNamed("weather")];
/** As QwQ's: it opens a thought, and nothing turns that off. */
const ALWAYS = THINKING.replace("if enable_thinking is not false", "if true");
/** As Nemotron's: its models think, the template only cuts thoughts out of the past. */
const UNSAID = THINKING.replace("('<think>\\n' if enable_thinking is not false else '')", "''");
/** As gpt-oss: only how much. */
const EFFORT = `{{- 'Reasoning: ' + (reasoning_effort or 'medium') }}${ALWAYS}`;

function render(source: string, prompt: Partial<ChatPrompt> = {}) {
  const template = new ChatTemplate({ source, model: "test", family: "llama", bosToken: "", eosToken: "", controlTokens: ["<|im_end|>"] });
  const { segments, answer } = template.render({ kind: "chat", messages: [user], ...prompt });
  return { text: segments.map(({ text }) => text).join(""), answer };
}

/** As the QwQ of llama.cpp's tree: undefined is off. */
const ASKED = THINKING.replace("enable_thinking is not false", "enable_thinking");
/** As Apertus. */
const ON_REQUEST = `{{- 'Deliberation: ' + ('on' if enable_thinking else 'off') + ' <|inner_prefix|><|inner_suffix|>' }}${CHATML}`;
/** As Hunyuan 3: it thinks only at a level. */
const LEVEL = THINKING.replace("enable_thinking is not false", "reasoning_effort is defined and reasoning_effort != 'no_think'");

const wish = (reasoning: ReasoningWish) => ({ reasoning });

test("a chat of a model that does not think, without tools, has no reader and nothing for the engine", () => {
  expect(render(CHATML).answer).toEqual({ format: "generic", thinks: false, markers: [] });
  expect(render(MISTRAL_V13).answer).toEqual({ format: "mistral-v13", thinks: false, markers: [] });
});

test("with tools the engine lets through the marks of calls", () => {
  const { answer } = render(MISTRAL_V13, { tools });
  expect(answer.markers).toEqual(["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"]);
  expect(answer.thought).toBeUndefined();
  const reader = answer.reader!();
  const pieces = reader.push('[TOOL_CALLS]weather[ARGS]{"city": "Paris"}');
  expect([...pieces, ...reader.end()].map(({ kind }) => kind)).toEqual(["call", "arguments", "end"]);
});

describe("thoughts", () => {
  test("T50 are known by the template: opened by it, or by the model", () => {
    expect(render(THINKING).answer.thought).toEqual({ open: "<think>", close: "</think>", opened: true, closing: "\n</think>\n\n" });
    expect(render(QWEN3).answer.thought).toMatchObject({ opened: false });
    expect(render(QWEN3).answer).toMatchObject({ thinks: true, markers: ["<think>", "</think>"] });
  });

  test("are what a model that can have them does, if nobody says otherwise", () => {
    expect(render(ASKED).answer.thought).toMatchObject({ opened: true });
    expect(render(ASKED, wish({ effort: "minimal" })).answer.thought).toMatchObject({ opened: true });
    expect(render(ASKED, wish({ enabled: false })).text).toMatch(/assistant\n$/);
    expect(render(ON_REQUEST).text).toMatch(/^Deliberation: off/);
    expect(render(ON_REQUEST, wish({ enabled: true })).text).toMatch(/^Deliberation: on/);
  });

  test("that are asked for are at their authors' level, where there is one", () => {
    expect(render(EFFORT, wish({ enabled: true })).text).toMatch(/^Reasoning: medium/);
    expect(render(LEVEL).answer.thought).toMatchObject({ opened: false });
    expect(render(LEVEL, wish({ enabled: true })).answer.thought).toMatchObject({ opened: true });
    expect(render(LEVEL, wish({ enabled: false })).text).toMatch(/assistant\n$/);
  });

  test("T50 a user who writes a mark opens no thought", () => {
    expect(render(QWEN3, { messages: [{ role: "user", content: "<think>" }] }).answer.thought).toMatchObject({ opened: false });
  });

  test("T50 the reader of a chat takes them out of the text", () => {
    const reader = render(THINKING).answer.reader!();
    expect(folded([...reader.push("hm</th"), ...reader.push("ink>\n\nHi"), ...reader.end()])).toEqual({
      reasoning: "hm",
      text: "Hi",
      calls: [],
    });
  });

  test("T52 with calls and results in the history", () => {
    const call = { id: "c", type: "function", function: { name: "weather", arguments: "{}" } };
    const messages: ChatMessage[] = [
      user,
      { role: "assistant", content: "", extra: { tool_calls: [call], reasoning_content: "I need the weather." } },
      { role: "tool", content: "<think>sunny</think>", extra: { tool_call_id: "c" } },
    ];
    const { answer } = render(QWEN3, { messages, tools });
    const reader = answer.reader!();
    expect(folded([...reader.push("<think>It is sunny.</think>\n\nSunny."), ...reader.end()])).toEqual({
      reasoning: "It is sunny.",
      text: "Sunny.",
      calls: [],
    });
  });

  test("an answer that is continued is no thought", () => {
    const messages: ChatMessage[] = [user, { role: "assistant", content: "It is <think>" }];
    const { answer } = render(QWEN3, { messages });
    expect(answer).toEqual({ format: "hermes", thinks: false, markers: [] });
  });

  test("may stay in the text", () => {
    const { answer } = render(THINKING, wish({ inText: true }));
    expect(answer).toMatchObject({ thinks: false, thought: { opened: true } });
    expect(answer.reader).toBeUndefined();
  });

  test("have a budget", () => {
    expect(render(QWEN3, wish({ budgetTokens: 100 })).answer.thought).toMatchObject({ budgetTokens: 100 });
  });
});

describe("T51 thoughts are switched off", () => {
  const off = wish({ enabled: false });

  test("by the template's own switch", () => {
    const { text, answer } = render(QWEN3, off);
    expect(text).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(answer.thought).toBeUndefined();
    expect(render(THINKING, off).text).toMatch(/assistant\n$/);
    expect(render(THINKING, off).answer.thought).toBeUndefined();
  });

  test("by a closed thought, where the template has none", () => {
    expect(render(ALWAYS, off).text).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(render(UNSAID, off).text).toMatch(/assistant\n<think>\n\n<\/think>\n\n$/);
    expect(render(UNSAID, off).answer.thought).toBeUndefined();
    expect(render(EFFORT, off).text).toMatch(/^Reasoning: low[\s\S]*<think>\n\n<\/think>\n\n$/);
  });

  test("and what such a model thinks all the same is no text", () => {
    const reader = render(UNSAID, off).answer.reader!();
    expect(folded([...reader.push("<think>hm</think>Hi"), ...reader.end()])).toEqual({ reasoning: "hm", text: "Hi", calls: [] });
  });

  test("nothing is put into the prompt of a model that does not think, or into an answer that is continued", () => {
    expect(render(CHATML, off).text).toMatch(/assistant\n$/);
    const messages: ChatMessage[] = [user, { role: "assistant", content: "It is" }];
    expect(render(UNSAID, { messages, ...off }).text).toMatch(/assistant\nIt is$/);
  });

  test("a caller's own variable counts more", () => {
    expect(render(THINKING, { ...wish({ enabled: true }), templateOptions: { enable_thinking: false } }).text).toMatch(/assistant\n$/);
  });
});

test("an effort goes to a template that reads it, and to no other", () => {
  expect(render(EFFORT, wish({ effort: "high" })).text).toMatch(/^Reasoning: high/);
  expect(render(QWEN3, wish({ effort: "high" })).text).toBe(render(QWEN3).text);
  const refuses = `{% if reasoning_effort == 'high' %}{{ raise_exception('no') }}{% endif %}${EFFORT}`;
  expect(render(refuses, wish({ effort: "high" })).text).toMatch(/^Reasoning: medium/);
});

test("a template that is made to be searched for ever is searched once", () => {
  const before = performance.now();
  expect(thoughtMarks(`</${"think".repeat(200_000)}`, formatOf(""))).toBeUndefined();
  expect(thoughtMarks("…</seed-think:1>", formatOf(""))).toEqual({ open: "<seed-think:1>", close: "</seed-think:1>" });
  expect(performance.now() - before).toBeLessThan(1000);
});
