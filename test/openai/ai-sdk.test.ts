/** The Vercel AI SDK and the official client over the real door and a scripted generator: tools, objects, thoughts, as they ask and read them. */
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, type LanguageModel, stepCountIs, streamObject, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodFunction } from "openai/helpers/zod";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import type { ChatPrompt, GenerationEvent } from "../../src/contract/generation.ts";
import { finished, reasoning, started, text, toolCall } from "../../src/protocols/openai/test-support.ts";
import { type FakeServer, startFakeServer } from "../support/fake-server.ts";

let server: FakeServer;
beforeAll(async () => {
  server = await startFakeServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
});

const WEATHER = '{"city":"Zürich","days":2}';
const CALLS: GenerationEvent[] = [
  started(20),
  reasoning("They want ", 0, 2),
  reasoning("the weather.", 0, 2),
  text("Let me look."),
  ...toolCall("weather", [WEATHER.slice(0, 9), WEATHER.slice(9)], 0),
  ...toolCall("now", ["{}"], 1),
  finished(0, { reason: "tool_calls", completionTokens: 12, reasoningTokens: 4 }),
];
const DONE: GenerationEvent[] = [started(30), text("Sunny"), text(", 21 °C."), finished(0, { completionTokens: 5 })];
const OBJECT: GenerationEvent[] = [started(), text('{"name":"Bo"'), text(',"age":7}'), finished()];

const tools = {
  weather: tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string(), days: z.number() }),
    execute: async ({ city, days }) => ({ city, days, sky: "clear" }),
  }),
  now: tool({ description: "The time", inputSchema: z.object({}), execute: async () => "noon" }),
};
const shape = z.object({ name: z.string(), age: z.number() });

function promptOf(index: number): ChatPrompt {
  const { prompt } = server.requests[index]!;
  if (prompt.kind !== "chat") throw new Error(`A chat became ${prompt.kind}`);
  return prompt;
}

const PROVIDERS: ReadonlyArray<readonly [string, () => LanguageModel, { thinks: boolean }]> = [
  [
    "@ai-sdk/openai-compatible",
    () =>
      createOpenAICompatible({ name: "shimmy", baseURL: `${server.url}/v1`, supportsStructuredOutputs: true, includeUsage: true })(
        "shimmy-tiny",
      ),
    { thinks: true },
  ],
  ["@ai-sdk/openai (chat)", () => createOpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" }).chat("shimmy-tiny"), { thinks: false }],
];

describe.each(PROVIDERS)("%s", (_, modelOf, { thinks }) => {
  const agent = () => ({ model: modelOf(), tools, prompt: "Weather in Zürich?", stopWhen: stepCountIs(3), maxRetries: 0 });

  /** Both rounds of the agent, as the generator was asked. */
  const expectRounds = () => {
    expect(promptOf(0).tools?.map((each) => each.function.name)).toEqual(["weather", "now"]);
    expect(promptOf(0).tools?.[0]?.function.parameters).toMatchObject({ type: "object", required: ["city", "days"] });
    const [, assistant, ...results] = promptOf(1).messages;
    expect(assistant).toMatchObject({ role: "assistant", content: "Let me look." });
    expect(assistant?.extra?.tool_calls).toMatchObject([
      { id: "call_00", type: "function", function: { name: "weather", arguments: WEATHER } },
      { id: "call_01", type: "function", function: { name: "now", arguments: "{}" } },
    ]);
    if (thinks) expect(assistant?.extra?.reasoning_content).toBe("They want the weather.");
    expect(results).toMatchObject([
      { role: "tool", content: '{"city":"Zürich","days":2,"sky":"clear"}', extra: { tool_call_id: "call_00" } },
      { role: "tool", content: "noon", extra: { tool_call_id: "call_01" } },
    ]);
  };

  test("T36, T37, T40, T41 generateText calls both tools and sends their results back", async () => {
    server.answer(CALLS, DONE);
    const { steps, text, totalUsage } = await generateText(agent());
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
    expect(steps[0]!.toolCalls.map(({ toolName, input }) => [toolName, input])).toEqual([
      ["weather", { city: "Zürich", days: 2 }],
      ["now", {}],
    ]);
    if (thinks) expect(steps[0]!.reasoningText).toBe("They want the weather.");
    expect([steps[0]!.text, text]).toEqual(["Let me look.", "Sunny, 21 °C."]);
    expect(totalUsage).toMatchObject({ inputTokens: 50, outputTokens: 17 });
    expect(steps[0]!.usage.outputTokenDetails.reasoningTokens).toBe(4);
    expectRounds();
  });

  test("T36, T37, T40, T41 streamText reads the same from the stream", async () => {
    server.answer(CALLS, DONE);
    const result = streamText({
      ...agent(),
      onError: ({ error }) => {
        throw error;
      },
    });
    const kinds: string[] = [];
    for await (const part of result.fullStream) if (kinds.at(-1) !== part.type) kinds.push(part.type);
    const steps = await result.steps;
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
    expect(steps[0]!.toolCalls.map(({ toolName, input }) => [toolName, input])).toEqual([
      ["weather", { city: "Zürich", days: 2 }],
      ["now", {}],
    ]);
    if (thinks) expect(steps[0]!.reasoningText).toBe("They want the weather.");
    expect(await result.text).toBe("Sunny, 21 °C.");
    expect(kinds).toContain("tool-input-delta");
    expect(await result.totalUsage).toMatchObject({ inputTokens: 50, outputTokens: 17 });
    expectRounds();
  });

  test("T42 toolChoice reaches the generator", async () => {
    server.answer(CALLS);
    const once = { ...agent(), stopWhen: stepCountIs(1) };
    await generateText({ ...once, toolChoice: "required" });
    await generateText({ ...once, toolChoice: { type: "tool", toolName: "now" } });
    server.answer(DONE);
    await generateText({ ...once, toolChoice: "none" });
    expect([0, 1].map((index) => promptOf(index).toolChoice)).toEqual(["required", { name: "now" }]);
    expect(promptOf(2).tools).toBeUndefined();
  });

  test("T38 a call that was cut short ends with length and is not run", async () => {
    server.answer([started(), ...toolCall("weather", ['{"city":"Zü']), finished(0, { reason: "length" })]);
    const { finishReason, toolCalls } = await generateText({ ...agent(), stopWhen: stepCountIs(1) });
    expect(finishReason).toBe("length");
    expect(toolCalls.filter(({ invalid }) => !invalid)).toEqual([]);
  });

  test("T47 generateObject sends its schema and reads the object", async () => {
    server.answer(OBJECT);
    const { object } = await generateObject({ model: modelOf(), schema: shape, prompt: "Who?", maxRetries: 0 });
    expect(object).toEqual({ name: "Bo", age: 7 });
    expect(server.requests[0]!.constraint).toMatchObject({ schema: { type: "object", required: ["name", "age"] } });
  });

  test("T49 streamObject grows the object as it comes", async () => {
    server.answer(OBJECT);
    const { partialObjectStream, object } = streamObject({ model: modelOf(), schema: shape, prompt: "Who?", maxRetries: 0 });
    const seen: unknown[] = [];
    for await (const partial of partialObjectStream) seen.push(partial);
    expect(seen).toContainEqual({ name: "Bo" });
    expect(await object).toEqual({ name: "Bo", age: 7 });
  });
});

describe("the official client", () => {
  const client = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "Weather in Zürich?" }];
  const body = {
    model: "shimmy-tiny",
    messages,
    tools: [{ type: "function" as const, function: { name: "weather", parameters: { type: "object" } } }],
  };

  test("T36 its helper parses the arguments of a stream by the schema of the tool", async () => {
    server.answer([started(), ...toolCall("weather", [WEATHER]), finished(0, { reason: "tool_calls" })]);
    const weather = zodFunction({ name: "weather", parameters: z.object({ city: z.string(), days: z.number() }) });
    const answer = await client()
      .chat.completions.stream({ model: "shimmy-tiny", messages, tools: [weather] })
      .finalChatCompletion();
    expect(answer.choices[0]!.message.tool_calls?.[0]?.function.parsed_arguments).toEqual({ city: "Zürich", days: 2 });
    expect(promptOf(0).tools?.[0]?.function.strict).toBe(true);
  });

  test("T40 runTools runs three rounds with real tools", async () => {
    const round = (call: number) => [started(), ...toolCall("count", [`{"to":${call}}`]), finished(0, { reason: "tool_calls" })];
    server.answer(round(1), round(2), DONE);
    const run = client().chat.completions.runTools({
      model: "shimmy-tiny",
      messages,
      tools: [
        {
          type: "function",
          function: {
            name: "count",
            description: "Counts",
            parameters: { type: "object" },
            parse: JSON.parse,
            function: async ({ to }: { to: number }) => `counted to ${to}`,
          },
        },
      ],
    });
    expect(await run.finalContent()).toBe("Sunny, 21 °C.");
    expect(
      promptOf(2)
        .messages.filter(({ role }) => role === "tool")
        .map(({ content }) => content),
    ).toEqual(["counted to 1", "counted to 2"]);
  });

  test("T25 logprobs: true alone gives empty lists of alternatives", async () => {
    const token = { token: 1, bytes: new TextEncoder().encode("Hi"), logprob: -0.5, top: [] };
    server.answer([started(), text("Hi", 0, [token]), finished()]);
    const answer = await client().chat.completions.create({ ...body, logprobs: true });
    expect(server.requests[0]!.topLogprobs).toBe(0);
    expect(answer.choices[0]!.logprobs!.content).toEqual([{ token: "Hi", logprob: -0.5, bytes: [72, 105], top_logprobs: [] }]);
  });

  test("T6, T42 what cannot be asked is its own BadRequestError", async () => {
    const wrong = client().chat.completions.create({ ...body, tool_choice: { type: "function", function: { name: "fly" } } });
    await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(wrong).rejects.toMatchObject({ status: 400, param: "tool_choice", code: "invalid_value" });
    const image = { type: "image_url" as const, image_url: { url: "data:image/png;base64,AA==" } };
    const picture = client().chat.completions.create({ model: "shimmy-tiny", messages: [{ role: "user", content: [image] }] });
    await expect(picture).rejects.toMatchObject({ status: 400, param: "messages[0].content[0]", code: "modality_not_supported" });
    expect(server.requests).toEqual([]);
  });
});

test("the log and the metrics see an answer of thoughts and calls alone", async () => {
  server.answer([started(), reasoning("Hm"), ...toolCall("weather", ["{}"]), finished(0, { reason: "tool_calls" })]);
  const before = await firstTokens();
  const asked = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }] }),
  });
  expect(asked.status).toBe(200);
  expect(await firstTokens()).toBe(before + 1);
});

async function firstTokens(): Promise<number> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^shimmy_time_to_first_token_seconds_count\{[^}]*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
