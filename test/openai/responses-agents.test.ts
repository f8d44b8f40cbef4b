/**
 * Tools and thoughts of the Responses API through real clients: the application with a generator of the test in place of the pool, OpenAI's
 * client and the Vercel AI SDK on top. What the models of these tests write is given; what the clients make of it is seen.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { loadConfig } from "../../src/config/load.ts";
import type { ChatPrompt, GenerationEvent, GenerationRequest, Generator } from "../../src/contract/generation.ts";
import { finished, MODEL, started, text } from "../../src/protocols/openai/test-support.ts";
import { createApp } from "../../src/server/app.ts";
import { openResponseStore } from "../../src/server/responses/store.ts";
import type { Services } from "../../src/server/services.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-agents-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An application whose model answers the n-th request with the n-th list of events, and what it was asked. */
async function application(...answers: ReadonlyArray<readonly GenerationEvent[]>) {
  const asked: GenerationRequest[] = [];
  const generator: Generator = {
    resolve: async () => MODEL,
    async *generate(_model, request) {
      asked.push(request);
      yield* answers[asked.length - 1] ?? [];
    },
  };
  const { config } = await loadConfig({}, { env: {}, home: folder, cwd: folder });
  const services = {
    config,
    generator,
    guards: { loopback: false, allowedHosts: [], corsOrigins: [], apiKey: [] },
    metrics: new Metrics({ version: "0", models: () => [] }),
    log: createLogger({ level: "error", format: "json", write: () => undefined }),
    responseStore: openResponseStore({ folder: join(folder, "responses"), maxCount: 100, maxBytes: 1e7, onProblem: () => undefined }),
    installation: { failed: () => undefined },
    state: () => "ready",
  } as unknown as Services;
  const app = createApp(services);
  const options = {
    baseURL: "http://localhost/v1",
    apiKey: "none",
    fetch: async (url: string | URL | Request, init?: RequestInit) => app.fetch(new Request(url, init)),
  };
  const prompts = () => asked.map(({ prompt }) => prompt as ChatPrompt);
  return { asked, prompts, openai: new OpenAI({ ...options, maxRetries: 0 }), vercel: createOpenAI(options) };
}

const thought = (piece: string): GenerationEvent => ({ type: "reasoning", choice: 0, text: piece, tokens: 1 });
const begin = (id: string, name: string, call = 0): GenerationEvent => ({
  type: "toolCall",
  choice: 0,
  call,
  id,
  name,
  arguments: "",
  tokens: 0,
});
const goOn = (args: string, call = 0): GenerationEvent => ({ type: "toolCall", choice: 0, call, arguments: args, tokens: 1 });
const called = finished(0, { reason: "tool_calls" });

const LOOK = [started(), thought("I must look."), begin("call_1", "weather"), goOn('{"city":'), goOn('"Oslo"}'), called];
const SAY = [started(), text("It is"), text(" cold."), finished()];

describe("the Vercel AI SDK, whose default is this API", () => {
  test("streams text and thoughts", async () => {
    const { vercel } = await application([started(), thought("Hm"), thought("m."), ...SAY.slice(1)]);
    const result = streamText({
      model: vercel("m"),
      prompt: "Hi",
      providerOptions: { openai: { reasoningSummary: "auto", forceReasoning: true } },
    });
    expect(await result.text).toBe("It is cold.");
    expect(await result.reasoningText).toBe("Hmm.");
    expect(await result.finishReason).toBe("stop");
    expect(await result.usage).toMatchObject({ inputTokens: 7, outputTokens: 2 });
  });

  test.each(["streamed", "whole"])("calls a tool and goes on with its result, by references to what is kept (%s)", async (way) => {
    const { vercel, prompts } = await application(LOOK, SAY);
    const options = {
      model: vercel("m"),
      prompt: "How is the weather in Oslo?",
      stopWhen: stepCountIs(3),
      tools: { weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `${city}: -5` }) },
    };
    const answer = way === "whole" ? await generateText(options).then((each) => each.text) : await streamText(options).text;
    expect(answer).toBe("It is cold.");
    expect(prompts()[1]!.messages).toEqual([
      { role: "user", content: "How is the weather in Oslo?" },
      {
        role: "assistant",
        content: "",
        extra: expect.objectContaining({
          tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }],
        }),
      },
      { role: "tool", content: expect.stringContaining("Oslo: -5"), extra: { tool_call_id: "call_1", name: "weather" } },
    ]);
  });

  test("does not act on half a call", async () => {
    const { vercel } = await application([...LOOK.slice(0, -2), finished(0, { reason: "length" })]);
    let executed = false;
    const result = streamText({
      model: vercel("m"),
      prompt: "Hi",
      tools: { weather: tool({ inputSchema: z.object({}), execute: async () => (executed = true) }) },
    });
    expect(await result.finishReason).toBe("length");
    expect(executed).toBe(false);
  });
});

describe("OpenAI's client", () => {
  const weather = { type: "function" as const, name: "weather", parameters: { type: "object" }, strict: false };

  test("T53, T70 a thought and a call are gone on with by previous_response_id", async () => {
    const { openai, prompts } = await application(LOOK, SAY);
    const first = await openai.responses.create({ model: "m", input: "Weather?", tools: [weather] });
    expect(first.output.map(({ type }) => type)).toEqual(["reasoning", "function_call"]);
    const result = { type: "function_call_output" as const, call_id: "call_1", output: "-5" };
    const second = await openai.responses.create({ model: "m", input: [result], previous_response_id: first.id, tools: [weather] });
    expect(second.output_text).toBe("It is cold.");
    expect(prompts()[1]!.messages).toMatchObject([
      { role: "user", content: "Weather?" },
      { role: "assistant", extra: { reasoning_content: "I must look.", tool_calls: [{ id: "call_1" }] } },
      { role: "tool", content: "-5" },
    ]);
  });

  test("T53 so are items that are sent back as they came", async () => {
    const { openai, prompts } = await application(LOOK, SAY);
    const question = { role: "user" as const, content: "Weather?" };
    const first = await openai.responses.create({ model: "m", input: [question], tools: [weather], store: false });
    const input = [question, ...first.output, { type: "function_call_output", call_id: "call_1", output: "-5" }];
    await openai.responses.create({ model: "m", input: input as OpenAI.Responses.ResponseInput, tools: [weather], store: false });
    expect(prompts()[1]!.messages).toMatchObject([{}, { extra: { reasoning_content: "I must look." } }, { content: "-5" }]);
  });

  test("T71 Codex's session: a patch as a custom tool, an MCP tool in its namespace", async () => {
    const patch = [
      started(),
      begin("call_p", "apply_patch"),
      goOn('{"input":"*** Begin'),
      goOn(' Patch\\n"}'),
      begin("call_d", "mcp__docs__search", 1),
      goOn("{}", 1),
      called,
    ];
    const { openai, asked } = await application(patch);
    const body = JSON.parse(readFileSync("test/fixtures/codex-request.json", "utf8"));
    const events: ResponseStreamEvent[] = [];
    const stream = openai.responses.stream(body);
    for await (const event of stream) events.push(event);
    const { output, status } = await stream.finalResponse();
    expect(status).toBe("completed");
    expect(output).toMatchObject([
      { type: "custom_tool_call", call_id: "call_p", name: "apply_patch", input: "*** Begin Patch\n" },
      { type: "function_call", call_id: "call_d", name: "search", namespace: "mcp__docs", arguments: "{}" },
    ]);
    const deltas = events.filter((event) => event.type === "response.custom_tool_call_input.delta").map(({ delta }) => delta);
    expect(deltas).toEqual(["*** Begin", " Patch\n"]);
    expect((asked[0]!.prompt as ChatPrompt).tools!.map((each) => each.function.name)).toEqual([
      "shell_command",
      "apply_patch",
      "mcp__docs__search",
    ]);
  });

  test("T71 Codex's compaction: one item, which the next turn understands", async () => {
    const { openai, prompts } = await application([started(), text("They want a patch."), finished()], SAY);
    const body = JSON.parse(readFileSync("test/fixtures/codex-request.json", "utf8"));
    const stream = openai.responses.stream({ ...body, input: [...body.input, { type: "compaction_trigger" }] });
    const { output, status } = await stream.finalResponse();
    expect({ status, types: output.map(({ type }) => type) }).toEqual({ status: "completed", types: ["compaction"] });
    await openai.responses.create({ ...body, stream: false, input: [...output, { role: "user", content: "Go on." }] });
    expect(prompts()[1]!.messages.at(-2)).toEqual({ role: "user", content: "Summary of the conversation so far:\n\nThey want a patch." });
  });
});
