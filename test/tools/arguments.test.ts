/**
 * Arguments of calls as a property: whatever tools there are and however it is asked, a call that was not cut is one of a tool that may be
 * called, and ajv takes its arguments by the schema of that tool. Over HTTP, with Shimmy Tiny as it is and with a template that thinks.
 */
import fc from "fast-check";
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, streamedChat, wholeChat } from "../openai/support.ts";
import { type FoldedChat, ofChatChunks, ofWholeChat } from "../properties/fold.ts";
import { anyParameters, violation } from "../structured/schemas.ts";
import type { TestServer } from "../support/server.ts";
import { CHATML, withTemplate } from "../templates/asker.ts";

const SETS = 200;
const SIDE_BY_SIDE = 20;
const SAMPLING = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 };

interface Tool {
  readonly name: string;
  readonly parameters: object;
}

const toolSets = fc.uniqueArray(
  fc.record<Tool>({ name: fc.constantFrom("get_weather", "f", "search.web", "add-2", "get"), parameters: anyParameters }),
  { minLength: 1, maxLength: 4, selector: ({ name }) => name },
);

const wireTools = (tools: readonly Tool[]) => tools.map((each) => ({ type: "function", function: { ...each, strict: true } }));

/** Hermes' form, with the names of the tools alone: Shimmy Tiny makes nothing of long schemas, and reading them takes its time. */
const TOOLS = "{#- <tool_call> </tool_call> #}{%- for each in tools or [] %}{{- each.function.name + '\\n' }}{% endfor %}";
const TEMPLATE = TOOLS + CHATML;
const THINKING = `{#- </think> #}${TEMPLATE.replace("assistant\\n", "assistant\\n<think>\\n")}`;

let server: TestServer;
let thinker: TestServer;
beforeAll(async () => {
  server = (await withTemplate(TEMPLATE, ["--threads", "1"])).server;
  thinker = (await withTemplate(THINKING, ["--threads", "1"])).server;
});
afterAll(() => Promise.all([server.stop(), thinker.stop()]));

/** Every second one as a stream. */
async function answerOf(from: TestServer, body: object, index: number): Promise<FoldedChat> {
  const asked = {
    model: "shimmy-tiny",
    messages: ask("What is the weather in Paris?"),
    max_tokens: 250,
    ...SAMPLING,
    seed: index,
    ...body,
  };
  if (index % 2 === 0) return ofWholeChat((await wholeChat(from, asked)) satisfies ChatCompletion);
  return ofChatChunks((await streamedChat(from, asked)) satisfies ChatCompletionChunk[]);
}

interface Outcome {
  whole: number;
  cut: number;
  text: number;
  readonly wrong: unknown[];
}

function judge(outcome: Outcome, tools: readonly Tool[], { choices }: FoldedChat): void {
  for (const { calls, finish, content } of choices) {
    if (calls.length === 0 && finish !== "length") outcome.text++;
    for (const [index, call] of calls.entries()) {
      const cut = finish === "length" && index === calls.length - 1;
      const tool = tools.find(({ name }) => name === call.name);
      const reason = tool ? violation(tool.parameters, call.arguments) : "no such tool";
      if (cut) outcome.cut++;
      else if (reason === undefined) outcome.whole++;
      else outcome.wrong.push({ call, reason, content, parameters: tool?.parameters });
    }
  }
}

async function sideBySide<T>(items: readonly T[], one: (item: T, index: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += SIDE_BY_SIDE)
    await Promise.all(items.slice(from, from + SIDE_BY_SIDE).map((item, i) => one(item, from + i)));
}

test(`T42 T47 ${SETS} random sets of strict tools, required or named, whole or streamed: every call that was not cut matches its schema`, async () => {
  const sets = fc.sample(toolSets, { numRuns: SETS, seed: 20_261_124 });
  const outcome: Outcome = { whole: 0, cut: 0, text: 0, wrong: [] };
  await sideBySide(sets, async (tools, index) => {
    const named = index % 3 === 0 ? tools.slice(-1) : undefined;
    const tool_choice = named ? { type: "function", function: { name: named[0]!.name } } : "required";
    const answer = await answerOf(server, { tools: wireTools(tools), tool_choice, parallel_tool_calls: index % 5 === 0 }, index);
    judge(outcome, named ?? tools, answer);
  });
  expect(outcome.wrong).toEqual([]);
  expect(outcome.text).toBe(0);
  expect(outcome.whole).toBeGreaterThan(SETS / 2);
}, 120_000);

describe("T49 tools, an answer's format and thoughts together", () => {
  const FORMAT = { type: "object", properties: { sky: { enum: ["clear", "grey"] } }, required: ["sky"], additionalProperties: false };
  const response_format = { type: "json_schema", json_schema: { name: "sky", strict: true, schema: FORMAT } };

  test("auto: a thought, then either a call of a tool or the format, and nothing else", async () => {
    const sets = fc.sample(toolSets, { numRuns: 60, seed: 7 });
    const outcome: Outcome = { whole: 0, cut: 0, text: 0, wrong: [] };
    await sideBySide(sets, async (tools, index) => {
      const body = { tools: wireTools(tools), response_format, thinking_budget: index % 12, stop: index % 4 === 0 ? ["sky?"] : null };
      const answer = await answerOf(thinker, body, index);
      judge(outcome, tools, answer);
      for (const { content, calls, finish, reasoning } of answer.choices) {
        expect(`${reasoning}${content}`).not.toMatch(/<\/?think>/);
        if (calls.length > 0) expect([content, ["tool_calls", "length"].includes(finish!)]).toEqual(["", true]);
        else if (finish !== "length") expect(violation(FORMAT, content)).toBeUndefined();
      }
    });
    expect(outcome.wrong).toEqual([]);
    expect(outcome.text).toBeGreaterThan(0);
    expect(outcome.whole).toBeGreaterThan(0);
  }, 120_000);

  test.each(["required", "none"])("%s: the calls alone, or the format alone", async (tool_choice) => {
    const tools = wireTools([{ name: "clock", parameters: { type: "object", properties: {} } }]);
    for (const index of [0, 1, 2, 3]) {
      const body = { tools, tool_choice, response_format, thinking_budget: 5, parallel_tool_calls: false };
      const [{ content, calls, finish, reasoning }] = (await answerOf(thinker, body, index)).choices as [FoldedChat["choices"][0]];
      expect(reasoning).not.toBe("");
      if (tool_choice === "none") expect([violation(FORMAT, content), calls, finish]).toEqual([undefined, [], "stop"]);
      else expect([content, calls, finish]).toEqual(["", [{ name: "clock", arguments: "{}" }], "tool_calls"]);
    }
  });
});
