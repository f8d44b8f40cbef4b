/**
 * LangChain's agent loop with real tools: the model calls, the tools run, their results go back, three times over, then an answer. The
 * calls are demanded (`required`), for these models are too small to decide for themselves; what they are given is what they make of it.
 */
import { AIMessage, AIMessageChunk, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent } from "langchain";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { MODELS, startBoth } from "../openai/support.ts";
import type { TestServer } from "../support/server.ts";

const ROUNDS = 3;

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

/** What the tools were really called with. */
function tools() {
  const calls: Array<{ name: string; args: unknown }> = [];
  const add = tool(
    async (args) => {
      calls.push({ name: "add", args });
      return String(args.a + args.b);
    },
    { name: "add", description: "Adds two numbers", schema: z.object({ a: z.int().min(0).max(99), b: z.int().min(0).max(99) }) },
  );
  const weather = tool(
    async (args) => {
      calls.push({ name: "weather", args });
      return { sky: "clear", city: args.city };
    },
    {
      name: "weather",
      description: "Weather of a city",
      schema: z.object({ city: z.enum(["Oslo", "Rome"]), unit: z.enum(["C", "F"]).optional() }),
    },
  );
  return { calls, list: [add, weather] };
}

const chatOf = (model: string) =>
  new ChatOpenAI({ model, apiKey: "none", temperature: 0, maxTokens: 96, maxRetries: 0, configuration: { baseURL: `${server.url}/v1` } });

function agent(model: string, list: ReturnType<typeof tools>["list"]) {
  const chat = chatOf(model);
  const forced = chat.bindTools(list, { tool_choice: "required", parallel_tool_calls: false });
  const rounds = (messages: readonly BaseMessage[]) => messages.filter((message) => message instanceof ToolMessage).length;
  const think = async ({ messages }: typeof MessagesAnnotation.State) => {
    const answer = await (rounds(messages) < ROUNDS ? forced : chat).invoke(messages);
    return { messages: [answer] };
  };
  const next = ({ messages }: typeof MessagesAnnotation.State) => {
    const last = messages.at(-1);
    return last instanceof AIMessage && last.tool_calls?.length ? "tools" : END;
  };
  return new StateGraph(MessagesAnnotation)
    .addNode("think", think)
    .addNode("tools", new ToolNode(list, { handleToolErrors: false }))
    .addEdge(START, "think")
    .addConditionalEdges("think", next)
    .addEdge("tools", "think")
    .compile();
}

for (const { label, id, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    test("T40, T52 LangChain runs three rounds of calls, each taken by the schema of its tool, and ends with an answer", async () => {
      const { calls, list } = tools();
      const { messages } = await agent(id, list).invoke({ messages: [new HumanMessage("What is 2 + 3, and how is the weather in Oslo?")] });
      expect(calls).toHaveLength(ROUNDS);
      const asked = messages.filter((message) => message instanceof AIMessage).flatMap((message) => message.tool_calls ?? []);
      expect(asked.map(({ name, args }) => ({ name, args }))).toEqual(calls);
      expect(new Set(asked.map((call) => call.id)).size).toBe(ROUNDS);
      const results = messages.filter((message) => message instanceof ToolMessage);
      expect(results.map((result) => result.tool_call_id)).toEqual(asked.map((call) => call.id));
      expect(messages.at(-1)).toMatchObject({ tool_calls: [] });
    });

    test("T36, T40 streamed, the calls arrive whole and are run", async () => {
      const { calls, list } = tools();
      const stream = await agent(id, list).stream({ messages: [new HumanMessage("Add 4 and 5.")] }, { streamMode: "messages" });
      const pieces: AIMessageChunk[] = [];
      const results: string[] = [];
      for await (const [message] of stream) {
        if (message instanceof ToolMessage) results.push(message.tool_call_id);
        else if (message instanceof AIMessageChunk) pieces.push(message);
      }
      const names = pieces.flatMap(({ tool_call_chunks = [] }) => tool_call_chunks.flatMap(({ name }) => name ?? []));
      expect(names).toEqual(calls.map(({ name }) => name));
      expect([calls.length, new Set(results).size]).toEqual([ROUNDS, ROUNDS]);
    });

    test("T46, T47 withStructuredOutput: by the schema of the answer, and by a tool", async () => {
      const pet = z.object({ name: z.string().max(8), kind: z.enum(["cat", "dog"]) });
      for (const method of ["jsonSchema", "functionCalling"] as const) {
        const answer = await chatOf(id).withStructuredOutput(pet, { method, name: "pet" }).invoke("My dog is called Bo.");
        expect(pet.parse(answer)).toEqual(answer);
      }
    });

    test("T42 createAgent, who lets the model decide, comes to an end", async () => {
      const { calls, list } = tools();
      const { messages } = await createAgent({ model: chatOf(id), tools: list }).invoke(
        { messages: [new HumanMessage("How is the weather in Oslo?")] },
        { recursionLimit: 30 },
      );
      const results = messages.filter((message) => message instanceof ToolMessage);
      expect(results.length).toBeGreaterThanOrEqual(calls.length);
      expect(messages.at(-1)).toBeInstanceOf(AIMessage);
    });
  });
