/** What a template is given besides the messages, and messages in the form that it reads. */
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../contract/generation.ts";
import { CHATML, HERMES, THINKING } from "./fixtures.ts";
import { type ChatPrompt, ChatTemplate, type ChatTemplateOptions } from "./template.ts";

const CONTROL = ["<|im_start|>", "<|im_end|>", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"];

function templateOf(source: string, options: Partial<ChatTemplateOptions> = {}): ChatTemplate {
  return new ChatTemplate({ source, model: "test", family: "test", bosToken: "<s>", eosToken: "</s>", controlTokens: CONTROL, ...options });
}

function textOf(source: string, messages: readonly ChatMessage[]): string {
  return templateOf(source)
    .render({ kind: "chat", messages })
    .segments.map(({ text }) => text)
    .join("");
}

const say = (role: string, content: string, extra?: ChatMessage["extra"]): ChatMessage => ({ role, content, ...(extra ? { extra } : {}) });
const user = (content: string) => say("user", content);
const assistant = (content: string, extra?: ChatMessage["extra"]) => say("assistant", content, extra);
const call = (args: unknown) =>
  assistant("", { tool_calls: [{ id: "call_0123456789", type: "function", function: { name: "weather", arguments: args } }] });
const tool = (content: string, id: string) => say("tool", content, { tool_call_id: id });

describe("what templates are given unasked", () => {
  const shown = `{{- enable_thinking ~ '|' ~ date_string ~ '|' ~ datetime ~ '|' ~ clear_thinking }}`;
  const at = (source: string, prompt: Partial<ChatPrompt> = {}) =>
    templateOf(source, { now: () => new Date(2026, 10, 4, 12) })
      .render({ kind: "chat", messages: [user("U")], ...prompt })
      .segments[0]!.text.split("<|im_start|>")[0];

  test("the date, and that a model that is known to think does; nothing of thoughts for another", () => {
    expect(at(shown + CHATML)).toBe("|04 Nov 2026|Nov 04 2026|");
    expect(at(shown + THINKING)).toBe("True|04 Nov 2026|Nov 04 2026|");
  });

  test("a caller's own variables count more", () => {
    const templateOptions = { enable_thinking: "x", date_string: "d", datetime: "e", preserve_reasoning: true };
    expect(at(shown + THINKING, { templateOptions })).toBe("x|d|e|False");
  });

  test("tools in the form that the template reads", () => {
    const forms: ReadonlyArray<readonly [string, string]> = [
      [
        "{{- xml_tools | tojson if xml_tools else '' }}",
        '[{"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}]',
      ],
      ["{{- functions or '' }}", '[\n    {\n        "name": "f",\n        "description": "",\n        "parameters": {}\n    }\n]'],
      ["{{- messages[0].tools or '' }}", '[{"name":"f","description":"","parameters":{}}]'],
    ];
    for (const [source, expected] of forms) {
      expect(at(source + CHATML, { tools: [{ type: "function", function: { name: "f" } }] })).toBe(expected);
    }
  });

  test("a tool without parameters, whose properties the template walks through", () => {
    const walks =
      "{%- for t in tools or [] %}{{- t.function.name + t.function.description }}" +
      "{%- for k, v in t.function.parameters.properties.items() %}{{ k }}{% endfor %}{{- t.function.parameters.properties | items | list }}{% endfor %}";
    expect(at(walks + CHATML, { tools: [{ type: "function", function: { name: "f" } }] })).toBe("f[]");
  });
});

describe("thoughts of the present turn", () => {
  const messages = [
    user("u"),
    assistant("", { reasoning_content: "hm", tool_calls: call({}).extra!.tool_calls }),
    tool("r", "call_0123456789"),
  ];
  const printing = (thought: string) =>
    HERMES.replace("+ message.content }}", `+ (message.content if message.content is string else '') }}${thought}`);

  test.each([
    ["{{- message.reasoning_content }}", "hm"],
    ["{{- message.thinking }}", "hm"],
    ["{{- message.reasoning }}", "hm"],
    [
      "{% if message.content is not string %}{% for p in message.content %}{{- '[' + p.thinking + ']' if p.type == 'thinking' }}{% endfor %}{% endif %}",
      "[hm]",
    ],
  ])("are given as the template reads them: %s", (reads, printed) => {
    expect(textOf(printing(reads), messages)).toContain(`<|im_start|>assistant\n${printed}<tool_call>`);
  });

  test("a template that prints parts as they are gets none", () => {
    const source = `{# thinking #}${HERMES.replace("message.content }}", "(message.content | string) }}")}`;
    expect(textOf(source, messages)).toContain("<|im_start|>assistant\n<tool_call>");
  });
});

test("results within the turn of their call, for a template that knows no other", () => {
  const source =
    "{%- for m in messages %}{{- '<' + ('model' if m.role == 'assistant' else m.role) + '>' + m.content }}" +
    "{%- for c in m.tool_calls or [] %}{{- c.function.name + (c.function.arguments | tojson) }}{% endfor %}" +
    "{%- for r in m.tool_responses or [] %}{{- '=' + r.name + (r.response | tojson) }}{% endfor %}{% endfor %}";
  const turns = [user("u"), call({ a: 1 }), tool('{"sky": "clear"}', "call_0123456789"), assistant("A"), user("v")];
  expect(textOf(source, turns)).toBe('<user>u<model>Aweather{"a": 1}=weather{"sky": "clear"}<user>v');
});

test("tools are described in their authors' words, where those are known, with marks that are tokens and a caller's that are none", () => {
  const deepseek = `{# <｜tool▁call▁begin｜> #}${CHATML}`;
  const tools = [{ type: "function", function: { name: "f", description: "<｜tool▁calls▁begin｜>" } }] as const;
  const { segments, answer } = templateOf(deepseek).render({ kind: "chat", messages: [user("U")], tools });
  expect(answer.format).toBe("deepseek-v3.1");
  expect(segments.map(({ parseSpecial }) => parseSpecial)).toEqual([true, false, true]);
  expect(segments[0]!.text).toMatch(/## Tools[\s\S]*### f\nDescription: $/);
  expect(segments[2]!.text).toContain("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>");
});
