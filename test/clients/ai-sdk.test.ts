/**
 * The Vercel AI SDK against real engines: tools in rounds, objects, thoughts, by each of its three ways to speak to an OpenAI server. What
 * these small models mean by it is little worth; what is promised of any model is checked.
 */

import { createOpenAI, type OpenAILanguageModelResponsesOptions } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { cosineSimilarity, embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { MODELS } from "../openai/support.ts";
import { BUDGET, PROVIDERS, type Servers, startServers } from "./support.ts";

const ROUNDS = 3;

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

/** Real tools, and what they were really called with. */
function toolbox() {
  const calls: Array<readonly [string, unknown]> = [];
  const tools = {
    weather: tool({
      description: "The weather of a city",
      inputSchema: z.object({ city: z.enum(["Oslo", "Rome"]), days: z.int().min(1).max(5) }),
      execute: async (input) => {
        calls.push(["weather", input]);
        return { ...input, sky: "clear" };
      },
    }),
    clock: tool({
      description: "The time",
      inputSchema: z.object({}),
      execute: async (input) => {
        calls.push(["clock", input]);
        return "noon";
      },
    }),
  };
  return { calls, tools };
}

const prompt = "How is the weather in Oslo?";
const PET = z.object({ name: z.string().max(8), kind: z.enum(["cat", "dog"]), age: z.int().min(0).max(30) });
const limits = { temperature: 0, maxOutputTokens: 160, maxRetries: 0 };

const onError = ({ error }: { error: unknown }) => {
  throw error;
};

for (const { label, id, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    describe.each(PROVIDERS)("$label", ({ model, thinks }) => {
      const plain = () => ({ model: model(servers.plain, id), prompt, ...limits });

      test("T1, T11, T13 a text, whole and streamed, with its usage", async () => {
        const whole = await generateText({ ...plain(), maxOutputTokens: 12 });
        const stream = streamText({ ...plain(), maxOutputTokens: 12, onError });
        let text = "";
        for await (const piece of stream.textStream) text += piece;
        expect(whole.text).not.toBe("");
        expect([text, await stream.finishReason]).toEqual([whole.text, whole.finishReason]);
        expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
        expect((await stream.usage).inputTokens).toBe(whole.usage.inputTokens);
      });

      test("T36, T37, T42 required: a call that its schema takes, which is run", async () => {
        const { calls, tools } = toolbox();
        const { toolCalls, toolResults, finishReason, text } = await generateText({ ...plain(), tools, toolChoice: "required" });
        expect(toolCalls.length).toBeGreaterThan(0);
        expect(toolCalls.filter(({ invalid }) => invalid)).toEqual([]);
        expect(calls).toEqual(toolCalls.map(({ toolName, input }) => [toolName, input]));
        expect(toolResults.length).toBe(toolCalls.length);
        expect([finishReason, text]).toEqual(["tool-calls", ""]);
      });

      test.each(["weather", "clock"] as const)("T39, T42 named: %s and no other, streamed", async (toolName) => {
        const { calls, tools } = toolbox();
        const stream = streamText({ ...plain(), tools, toolChoice: { type: "tool", toolName }, onError });
        const inputs = new Map<string, string>();
        for await (const part of stream.fullStream)
          if (part.type === "tool-input-delta") inputs.set(part.id, (inputs.get(part.id) ?? "") + part.delta);
        const [call, ...others] = await stream.toolCalls;
        expect([call?.toolName, others]).toEqual([toolName, []]);
        expect(JSON.parse(inputs.get(call!.toolCallId)!)).toEqual(call!.input);
        expect(calls).toEqual([[toolName, call!.input]]);
      });

      test("T37, T42 auto and none: the reason is tool-calls only if there are calls, and there are none where none may be", async () => {
        const { tools } = toolbox();
        const auto = await generateText({ ...plain(), tools, maxOutputTokens: 40 });
        if (auto.finishReason !== "length") expect(auto.finishReason === "tool-calls").toBe(auto.toolCalls.length > 0);
        const none = await generateText({ ...plain(), tools, toolChoice: "none", maxOutputTokens: 8 });
        expect([none.toolCalls, none.text === ""]).toEqual([[], false]);
      });

      test.each(["whole", "streamed"])("T40, T52 three rounds with real results, then an answer (%s)", async (way) => {
        const { calls, tools } = toolbox();
        const options = {
          ...{ ...plain(), tools, toolChoice: "required" as const, stopWhen: stepCountIs(ROUNDS + 1) },
          prepareStep: ({ stepNumber }: { stepNumber: number }) =>
            stepNumber < ROUNDS ? {} : { toolChoice: "none" as const, activeTools: [] },
        };
        const { steps, text } =
          way === "whole"
            ? await generateText({ ...options, maxOutputTokens: 100 })
            : await (async () => {
                const stream = streamText({ ...options, maxOutputTokens: 100, onError });
                return { steps: await stream.steps, text: await stream.text };
              })();
        expect(steps.map(({ finishReason }) => finishReason).slice(0, ROUNDS)).toEqual(Array(ROUNDS).fill("tool-calls"));
        const asked = steps.flatMap(({ toolCalls }) => toolCalls);
        expect(calls).toEqual(asked.map(({ toolName, input }) => [toolName, input]));
        expect(new Set(asked.map(({ toolCallId }) => toolCallId)).size).toBe(asked.length);
        expect(steps).toHaveLength(ROUNDS + 1);
        // T43: without tools even a call in the text is text, and SmolLM2 likes to repeat what it has seen.
        expect([steps.at(-1)!.toolCalls, steps.at(-1)!.finishReason === "tool-calls", text === ""]).toEqual([[], false, false]);
      });

      test("T46, T47 generateObject: an object, an array of them, one of a few words", async () => {
        const { object } = await generateObject({ ...plain(), schema: PET });
        expect(PET.parse(object)).toEqual(object);
        const list = await generateObject({
          ...plain(),
          output: "array",
          schema: z.object({ n: z.int().min(0).max(9) }),
          maxOutputTokens: 400,
        }).catch((error: { finishReason?: string }) => error);
        // A list without a largest length may be cut; what is not cut is whole.
        if ("object" in list) expect(z.array(z.object({ n: z.int().min(0).max(9) })).parse(list.object)).toEqual(list.object);
        else expect(list.finishReason).toBe("length");
        const word = await generateObject({ ...plain(), output: "enum", enum: ["sunny", "rainy"] });
        expect(["sunny", "rainy"]).toContain(word.object);
      });

      test("T49 streamObject: it grows, and is the same in the end", async () => {
        const { partialObjectStream, object } = streamObject({ ...plain(), schema: PET, onError });
        const sizes: number[] = [];
        for await (const partial of partialObjectStream) sizes.push(Object.keys(partial).length);
        expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
        expect(new Set(sizes).size).toBeGreaterThan(2);
        expect(PET.parse(await object)).toEqual(await object);
      });

      describe("thoughts", () => {
        // The summary is what the client reads of a response's thoughts; chats know no such field.
        const wanted = { thinking_budget: BUDGET, reasoning: { summary: "auto" } };
        const thinker = (fields: object = wanted) => ({ ...plain(), model: model(servers.thinking, id, fields) });

        test("T50 come first, apart from the text, and are counted", async () => {
          const { text, reasoningText, usage } = await generateText({ ...thinker(), maxOutputTokens: 40 });
          expect(`${text}${reasoningText ?? ""}`).not.toMatch(/<\/?think>/);
          expect(usage.outputTokenDetails.reasoningTokens).toBeGreaterThanOrEqual(1);
          const stream = streamText({ ...thinker(), maxOutputTokens: 40, onError });
          const kinds: string[] = [];
          for await (const part of stream.fullStream) if (/-delta$/.test(part.type) && kinds.at(-1) !== part.type) kinds.push(part.type);
          expect(await stream.text).toBe(text);
          if (!thinks) return;
          expect(kinds).toEqual(text === "" ? ["reasoning-delta"] : ["reasoning-delta", "text-delta"]);
          expect(await stream.reasoningText).toBe(reasoningText);
        });

        test("T49 then an object, or a call, though the model would end in its thought", async () => {
          const { object } = await generateObject({ ...thinker(), schema: PET });
          expect(PET.parse(object)).toEqual(object);
          const { calls, tools } = toolbox();
          const { toolCalls } = await generateText({ ...thinker(), tools, toolChoice: { type: "tool", toolName: "weather" } });
          expect(calls).toEqual(toolCalls.map(({ input }) => ["weather", input]));
          expect(calls).toHaveLength(1);
        });

        test.each([{ reasoning_effort: "none" }, { think: false }, { chat_template_kwargs: { enable_thinking: false } }])(
          "T51 switched off by %j there is none",
          async (fields) => {
            const { reasoningText, usage, text } = await generateText({ ...thinker(fields), maxOutputTokens: 8 });
            expect([reasoningText || undefined, usage.outputTokenDetails.reasoningTokens ?? 0]).toEqual([undefined, 0]);
            expect(text).not.toMatch(/<\/?think>/);
          },
        );

        test("T52 go on through rounds of calls and leak nowhere", async () => {
          const { calls, tools } = toolbox();
          const { steps } = await generateText({
            ...thinker(),
            tools,
            toolChoice: "required",
            stopWhen: stepCountIs(2),
            maxOutputTokens: 120,
          });
          expect(steps).toHaveLength(2);
          expect(calls.length).toBeGreaterThan(1);
          for (const { text } of steps) expect(text).toBe("");
        });
      });
    });

    test("T72, T73 embedMany by both providers: equal texts are equal, in their order", async () => {
      const at = { baseURL: `${servers.plain.url}/v1`, apiKey: "none" };
      const values = ["a fox", "the moon", "a fox"];
      const both = [createOpenAI(at).embedding(id), createOpenAICompatible({ ...at, name: "shimmy" }).embeddingModel(id)];
      for (const each of both) {
        const { embeddings, usage } = await embedMany({ model: each, values, maxRetries: 0 });
        expect(cosineSimilarity(embeddings[0]!, embeddings[2]!)).toBeGreaterThan(0.9999);
        expect(cosineSimilarity(embeddings[0]!, embeddings[1]!)).toBeLessThan(0.999);
        expect(usage.tokens).toBeGreaterThan(3);
      }
    });

    test("T70 the responses provider goes on from a kept answer by previousResponseId", async () => {
      const provider = createOpenAI({ baseURL: `${servers.plain.url}/v1`, apiKey: "none" });
      const first = await generateText({ model: provider(id), prompt: "My name is Ada.", ...limits, maxOutputTokens: 8 });
      const previousResponseId = first.response.id;
      expect(previousResponseId).toMatch(/^resp_/);
      const openai: OpenAILanguageModelResponsesOptions = { previousResponseId };
      const again = { model: provider(id), prompt: "Who am I?", ...limits, maxOutputTokens: 8 };
      const [alone, gone] = [await generateText(again), await generateText({ ...again, providerOptions: { openai } })];
      expect(gone.usage.inputTokens).toBeGreaterThan(alone.usage.inputTokens! + 10);
    });
  });
