/** T11: what is streamed adds up to the whole answer, for our own fold and for the official client's. */
import fc from "fast-check";
import OpenAI from "openai";
import { expect, test } from "vitest";
import type { GenerationEvent } from "../../../contract/generation.ts";
import { anyChatEvents, anyEvents } from "../test-support.ts";
import { chatAnswer } from "./answer-schema.ts";
import { fold, stream, whole } from "./test-support.ts";

const USAGE = { stream_options: { include_usage: true } };
const TOOLS = { tools: [{ type: "function", function: { name: "f" } }] };
const LEGACY = { functions: [{ name: "f" }] };

test("T11 the folded stream equals the whole answer, for any order of events", async () => {
  await fc.assert(
    fc.asyncProperty(anyEvents, fc.boolean(), async ({ choices, events }, logprobs) => {
      const fields = { n: choices, logprobs, ...USAGE };
      const { chunks } = await stream(events, fields);
      expect(fold(chunks, choices, logprobs)).toEqual(await whole(events, fields));
    }),
  );
});

const wishes = fc.record({
  logprobs: fc.boolean(),
  dialect: fc.constantFrom(TOOLS, LEGACY),
  include_reasoning: fc.boolean(),
  continuous_usage_stats: fc.boolean(),
});

test("T11 so it does with thoughts and calls, in today's shape and in the legacy one", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyChatEvents,
      wishes,
      async ({ choices, events }, { logprobs, dialect, include_reasoning, continuous_usage_stats }) => {
        const options = { stream_options: { include_usage: true, continuous_usage_stats } };
        const fields = { n: choices, logprobs, include_reasoning, ...dialect, ...options };
        const { chunks } = await stream(events, fields);
        const answer = await whole(events, fields);
        expect(fold(chunks, choices, logprobs)).toEqual(answer);
        expect(chatAnswer.parse(answer)).toEqual(answer); // as /openapi.json tells it
      },
    ),
  );
});

/** The client over a fetch that plays these events, as the server would answer. */
function clientOf(events: readonly GenerationEvent[]): OpenAI {
  const fetch = async (_: unknown, init?: RequestInit) => {
    const body = JSON.parse(String(init?.body));
    if (!body.stream) return Response.json(await whole(events, body));
    const { frames } = await stream(events, body);
    return new Response(frames.join(""), { headers: { "content-type": "text/event-stream" } });
  };
  return new OpenAI({ apiKey: "none", baseURL: "http://127.0.0.1:9/v1", fetch, maxRetries: 0 });
}

test("T11, T36 the official client's own accumulator makes the whole answer of a stream", async () => {
  await fc.assert(
    fc.asyncProperty(anyChatEvents, fc.boolean(), async ({ choices, events }, logprobs) => {
      const body = {
        model: "m",
        messages: [{ role: "user" as const, content: "Hi" }],
        n: choices,
        logprobs,
        tools: [{ type: "function" as const, function: { name: "f", parameters: {} } }],
      };
      const client = clientOf(events);
      const folded = await client.chat.completions.stream({ ...body, ...USAGE }).finalChatCompletion();
      const answer = await client.chat.completions.create(body);
      expect(folded.usage).toEqual(answer.usage);
      expect(folded.choices.map(asClient)).toEqual(answer.choices.map(asClient));
    }),
    { numRuns: 50 },
  );
});

/**
 * What the two must share. The client keeps the last piece only of a field that it does not know, so thoughts are left out; what is
 * empty is null to it; and it adds its own `parsed`.
 */
function asClient({ index, message, logprobs, finish_reason }: OpenAI.ChatCompletion.Choice) {
  const calls = message.tool_calls?.map((call) => {
    if (call.type !== "function") throw new Error(`A call of type ${call.type}`);
    return { id: call.id, type: call.type, name: call.function.name, arguments: call.function.arguments };
  });
  return {
    index,
    role: message.role,
    content: message.content || null,
    refusal: message.refusal,
    calls: calls ?? [],
    logprobs: logprobs?.content ?? [],
    finish_reason,
  };
}
