/** T1–T5: the shape of answers on the wire, whole and streamed, at both endpoints. The official client checks them on both models: client.test.ts. */
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startServer, type TestServer } from "../support/server.ts";
import {
  ask,
  CHAT,
  COMPLETIONS,
  eventPayloads,
  JSON_TYPE,
  raw,
  SHIMMY_TINY,
  streamed,
  whole,
  wholeChat,
  wholeCompletion,
} from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe(SHIMMY_TINY.label, () => {
  const model = SHIMMY_TINY.id;
  const chat = { model, messages: ask("Tell me a short story about a fox."), max_tokens: 12, seed: 1 };
  const completion = { model, prompt: "Once upon a time", max_tokens: 12, seed: 1 };
  const endpoints = [
    { path: CHAT, body: chat, object: "chat.completion", chunkObject: "chat.completion.chunk", id: /^chatcmpl-\S+$/ },
    { path: COMPLETIONS, body: completion, object: "text_completion", chunkObject: "text_completion", id: /^cmpl-\S+$/ },
  ];

  for (const { path, body, object, chunkObject, id } of endpoints) {
    for (const stream of [undefined, false, null])
      test(`T1 ${path} answers with one JSON object when stream is ${stream}`, async () => {
        const response = await post(server, path, { ...body, stream });
        expect(response.status).toBe(200);
        expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
        const answer = JSON.parse(await response.text());
        expect(answer).toMatchObject({ object, model, id: expect.stringMatching(id), created: expect.any(Number) });
        expect(Math.abs(answer.created - Date.now() / 1000)).toBeLessThan(60);
        expect(answer.choices).toHaveLength(1);
      });

    test(`T2 ${path} streams events of one data line each and ends with [DONE]`, async () => {
      const answer = await raw(server, path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify({ ...body, stream: true }) });
      expect(answer.headers).toMatchObject({ "content-type": expect.stringMatching(/^text\/event-stream/), "cache-control": "no-cache" });
      expect(answer.text).not.toMatch(/data: ?data:/);
      expect(answer.text.endsWith("}\n\ndata: [DONE]\n\n")).toBe(true);
      const payloads = eventPayloads(answer.text);
      expect(payloads.indexOf("[DONE]")).toBe(payloads.length - 1);
    });

    test(`T3 ${path}: id, created, model and object are the same on all chunks`, async () => {
      const chunks = await streamed<ChatCompletionChunk | Completion>(server, path, body);
      const heads = new Set(chunks.map(({ id, created, model, object }) => JSON.stringify({ id, created, model, object })));
      expect(heads.size).toBe(1);
      expect(chunks[0]).toMatchObject({ object: chunkObject, model, id: expect.stringMatching(id), created: expect.any(Number) });
    });

    test(`T4 ${path}: finish_reason is null until the last chunk, which alone has one`, async () => {
      const chunks = await streamed<ChatCompletionChunk | Completion>(server, path, body);
      const reasons = chunks.flatMap(({ choices }) => choices.map(({ finish_reason }) => finish_reason));
      expect(reasons).toEqual([...reasons.slice(1).map(() => null), "length"]);
    });

    test(`T5 ${path} ignores fields it does not know, and takes null for any optional one`, async () => {
      const plain = await whole<Completion>(server, path, body);
      const unknown = {
        cache_prompt: true,
        id_slot: 3,
        prompt_cache_key: "k",
        metadata: { a: 1 },
        store: false,
        service_tier: "auto",
        foo: [{}],
      };
      const nulls = Object.fromEntries(NULLABLE.map((name) => [name, null]));
      expect((await whole<Completion>(server, path, { ...unknown, ...nulls, ...body })).choices).toEqual(plain.choices);
    });
  }

  test("T3 the first chunk of a chat carries the role, and no other does", async () => {
    const chunks = await streamed<ChatCompletionChunk>(server, CHAT, chat);
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas[0]).toEqual({ role: "assistant", content: "" });
    expect(deltas.slice(1).filter((delta) => "role" in delta)).toEqual([]);
    expect(deltas.slice(1, -1).every(({ content }) => typeof content === "string" && content !== "")).toBe(true);
  });

  test("T4 the last chunk of a chat has an empty delta, that of a completion an empty text", async () => {
    const chatChunks = await streamed<ChatCompletionChunk>(server, CHAT, chat);
    expect(chatChunks.at(-1)!.choices).toEqual([{ index: 0, delta: {}, finish_reason: "length" }]);
    const chunks = await streamed<Completion>(server, COMPLETIONS, completion);
    expect(chunks.at(-1)!.choices).toEqual([{ index: 0, text: "", logprobs: null, finish_reason: "length" }]);
  });

  test("T1 a whole answer has every field of OpenAI's", async () => {
    const answer = await wholeChat(server, chat);
    expect(answer.choices).toEqual([
      { index: 0, message: { role: "assistant", content: expect.any(String), refusal: null }, logprobs: null, finish_reason: "length" },
    ]);
    expect((await wholeCompletion(server, completion)).choices).toEqual([
      { index: 0, text: expect.any(String), logprobs: null, finish_reason: "length" },
    ]);
  });
});

/** All optional fields of both endpoints. */
const NULLABLE = [
  "audio",
  "best_of",
  "chat_template_kwargs",
  "echo",
  "frequency_penalty",
  "function_call",
  "functions",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tokens",
  "metadata",
  "min_p",
  "mirostat",
  "modalities",
  "n",
  "parallel_tool_calls",
  "prediction",
  "presence_penalty",
  "reasoning_effort",
  "repeat_last_n",
  "repeat_penalty",
  "response_format",
  "seed",
  "service_tier",
  "stop",
  "store",
  "stream",
  "stream_options",
  "suffix",
  "temperature",
  "tool_choice",
  "tools",
  "top_k",
  "top_logprobs",
  "top_p",
  "typical_p",
  "user",
];
