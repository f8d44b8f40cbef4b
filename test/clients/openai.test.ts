/**
 * OpenAI's client against real engines, with all of its helpers: streams that it accumulates, tools that it runs, answers that it parses by
 * zod, calls that it aborts. test/openai/client.test.ts has the plain calls.
 */
import type OpenAI from "openai";
import { APIUserAbortError } from "openai";
import { LengthFinishReasonError } from "openai/core/error";
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import type { ChatCompletionChunk, ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { MODELS, SHIMMY_TINY, vocabulary } from "../openai/support.ts";
import { until } from "../support/server.ts";
import { BUDGET, openaiOf, type Servers, startServers } from "./support.ts";

let servers: Servers;
let client: OpenAI;
let thinker: OpenAI;
beforeAll(async () => {
  servers = await startServers();
  client = openaiOf(servers.plain);
  thinker = openaiOf(servers.thinking);
});
afterAll(() => servers.stop());

const CITY = z.object({ city: z.enum(["Oslo", "Rome"]), days: z.int().min(1).max(5) });
const PET = z.object({ name: z.string().max(8), kind: z.enum(["cat", "dog"]), age: z.int().min(0).max(30) });
const weather = zodFunction({ name: "weather", parameters: CITY, description: "The weather of a city" });
const clock = zodFunction({ name: "clock", parameters: z.object({}), description: "The time" });
const messages: ChatCompletionMessageParam[] = [{ role: "user", content: "How is the weather in Oslo?" }];

/** A thought, as it stands beside the text; OpenAI's types know none. */
const thoughtOf = (from: object): string => String(("reasoning_content" in from && from.reasoning_content) || "");

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const body = { model, messages, temperature: 0, max_tokens: 160 };
    const forced = { ...body, tools: [weather, clock], tool_choice: "required" as const, parallel_tool_calls: false };

    test("T36, T37 the stream helper: deltas of a call, its end, its parsed arguments", async () => {
      const stream = client.chat.completions.stream(forced);
      const deltas: string[] = [];
      const done: unknown[] = [];
      stream.on("tool_calls.function.arguments.delta", ({ arguments_delta }) => deltas.push(arguments_delta));
      stream.on("tool_calls.function.arguments.done", ({ name, parsed_arguments }) => done.push([name, parsed_arguments]));
      const { choices } = await stream.finalChatCompletion();
      const [call] = choices[0]!.message.tool_calls!;
      expect([choices[0]!.finish_reason, choices[0]!.message.content]).toEqual(["tool_calls", null]);
      expect(deltas.join("")).toBe(call!.function.arguments);
      expect(done).toEqual([[call!.function.name, call!.function.parsed_arguments]]);
      expect(JSON.parse(call!.function.arguments)).toEqual(call!.function.parsed_arguments);
    });

    test("T42 parse: a named tool, its arguments by zod", async () => {
      const named = { type: "function" as const, function: { name: "weather" } };
      const { choices } = await client.chat.completions.parse({ ...forced, tool_choice: named });
      const parsed = choices[0]!.message.tool_calls![0]!.function.parsed_arguments;
      expect(CITY.parse(parsed)).toEqual(parsed);
      await expect(client.chat.completions.parse({ ...forced, tool_choice: named, max_tokens: 3 })).rejects.toBeInstanceOf(
        LengthFinishReasonError,
      );
    });

    test.each([false, true])("T40 runTools: three rounds with real tools, then an answer (stream: %s)", async (stream) => {
      const calls: unknown[] = [];
      const tools = [
        {
          type: "function" as const,
          function: {
            ...{ name: "weather", description: "The weather of a city", strict: true },
            parameters: weather.function.parameters as Record<string, unknown>,
            parse: (text: string) => CITY.parse(JSON.parse(text)),
            function: async (args: z.infer<typeof CITY>) => {
              calls.push(args);
              return { ...args, sky: "clear" };
            },
          },
        },
      ];
      const asked = { ...body, tools, tool_choice: "required" as const, parallel_tool_calls: false };
      const options = { maxChatCompletions: 3 };
      const run = stream
        ? client.chat.completions.runTools({ ...asked, stream: true }, options)
        : client.chat.completions.runTools(asked, options);
      await run.done();
      const results = run.messages.filter(({ role }) => role === "tool");
      expect([calls.length, results.length]).toEqual([3, 3]);
      expect(results.map(({ content }) => JSON.parse(String(content)))).toEqual(
        calls.map((args) => ({ ...(args as object), sky: "clear" })),
      );
      const { choices } = await client.chat.completions.create({ ...body, messages: run.messages, max_tokens: 12 });
      expect(choices[0]!.message).toMatchObject({ role: "assistant", content: expect.any(String) });
    });

    test("T46, T47, T49 parse: an answer by zod, whole and streamed", async () => {
      const asked = { ...body, response_format: zodResponseFormat(PET, "pet") };
      const { choices } = await client.chat.completions.parse(asked);
      expect(PET.parse(choices[0]!.message.parsed)).toEqual(choices[0]!.message.parsed);
      const stream = client.chat.completions.stream(asked);
      let grew = 0;
      stream.on("content.delta", ({ parsed }) => {
        if (parsed) grew++;
      });
      const final = await stream.finalChatCompletion();
      expect(PET.parse(final.choices[0]!.message.parsed)).toEqual(final.choices[0]!.message.parsed);
      expect(grew).toBeGreaterThan(3);
    });

    test("T21, T22, T25 n, seed, log probabilities, all at once, streamed and not", async () => {
      const asked = { ...body, n: 3, seed: 11, temperature: 1, max_tokens: 6, logprobs: true, top_logprobs: 2 };
      const whole = await client.chat.completions.create(asked);
      const final = await client.chat.completions.stream(asked).finalChatCompletion();
      for (const [index, { message, logprobs }] of whole.choices.entries()) {
        expect(final.choices[index]!.message.content).toBe(message.content);
        const tokens = logprobs!.content!;
        expect(tokens.map(({ token }) => token).join("")).toBe(message.content);
        expect(final.choices[index]!.logprobs!.content!.map(({ token }) => token)).toEqual(tokens.map(({ token }) => token));
        expect(tokens.every(({ top_logprobs }) => top_logprobs.length === 2)).toBe(true);
      }
      expect(new Set(whole.choices.map(({ message }) => message.content)).size).toBeGreaterThan(1);
      expect(whole.system_fingerprint).toBe(final.system_fingerprint);
    });

    test("T50, T51, T52 a thought beside the text, switched off by effort, replayed with its call", async () => {
      const budget = { thinking_budget: BUDGET };
      const first = await thinker.chat.completions.create({ ...forced, ...budget });
      const [choice] = first.choices;
      expect(thoughtOf(choice!.message)).not.toBe("");
      expect(first.usage!.completion_tokens_details!.reasoning_tokens).toBeGreaterThan(0);
      const [call] = choice!.message.tool_calls!;
      const result = { role: "tool" as const, tool_call_id: call!.id, content: [{ type: "text" as const, text: "clear" }] };
      const second = await thinker.chat.completions.create({
        ...body,
        messages: [...messages, choice!.message, result],
        max_tokens: 24,
        ...budget,
      });
      expect(second.choices[0]!.message.content).not.toMatch(/<\/?think>/);
      const off = await thinker.chat.completions.create({ ...body, max_tokens: 8, reasoning_effort: "none" });
      expect([thoughtOf(off.choices[0]!.message), off.usage!.completion_tokens_details!.reasoning_tokens]).toEqual(["", 0]);
      const chunks: ChatCompletionChunk[] = [];
      for await (const chunk of await thinker.chat.completions.create({ ...forced, ...budget, stream: true })) chunks.push(chunk);
      expect(chunks.map(({ choices: [each] }) => thoughtOf(each?.delta ?? {})).join("")).toBe(thoughtOf(choice!.message));
    });

    test("T69, T70 responses: a call, its result by previous_response_id, a parsed answer", async () => {
      const tools = [zodResponsesFunction({ name: "weather", parameters: CITY })];
      const asked = { model, input: "How is the weather in Oslo?", temperature: 0, max_output_tokens: 160 };
      const first = await client.responses.stream({ ...asked, tools, tool_choice: "required", parallel_tool_calls: false }).finalResponse();
      const [call] = first.output;
      if (call?.type !== "function_call") throw new Error(`no call but ${call?.type}`);
      expect(CITY.parse(JSON.parse(call.arguments))).toEqual(CITY.parse(call.parsed_arguments));
      const second = await client.responses.parse({
        ...{ ...asked, previous_response_id: first.id, text: { format: zodTextFormat(PET, "pet") } },
        input: [{ type: "function_call_output", call_id: call.call_id, output: '{"sky":"clear"}' }],
      });
      expect(PET.parse(second.output_parsed)).toEqual(second.output_parsed);
      const { data } = await client.responses.inputItems.list(second.id);
      expect(data.map(({ type }) => type)).toContain("function_call_output");
    });
  });

test("T54 aborts: of a whole answer, of a stream by its controller, of the helper's stream; then all is free", async () => {
  const { id } = await vocabulary(SHIMMY_TINY.path);
  const logit_bias = { [id("<|im_end|>")]: -100, [id("<|endoftext|>")]: -100 };
  const endless = { model: SHIMMY_TINY.id, messages, logit_bias };
  const leave = new AbortController();
  const whole = client.chat.completions.create(endless, { signal: leave.signal });
  setTimeout(() => leave.abort(), 20);
  await expect(whole).rejects.toBeInstanceOf(APIUserAbortError);
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) stream.controller.abort();
  const helper = client.chat.completions.stream(endless);
  helper.on("content", () => helper.abort());
  await expect(helper.done()).rejects.toBeInstanceOf(APIUserAbortError);
  const response = { model: SHIMMY_TINY.id, input: "Hi", logit_bias, stream: true as const };
  for await (const event of await client.responses.create(response)) if (event.type === "response.output_text.delta") break;
  await until(async () =>
    /^shimmy_running_requests\{model="shimmy-tiny"\} 0$/m.test(await (await fetch(`${servers.plain.url}/metrics`)).text()),
  );
  expect((await client.chat.completions.create({ ...endless, max_tokens: 1 })).choices[0]!.finish_reason).toBe("length");
});
