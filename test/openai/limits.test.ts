/** T12, T13, T18: usage, and how long an answer may be. */
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestServer } from "../support/server.ts";
import {
  ask,
  CHAT,
  COMPLETIONS,
  MODELS,
  SHIMMY_TINY,
  SMOL,
  startBoth,
  streamed,
  streamedChat,
  wholeChat,
  wholeCompletion,
} from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

const model = SHIMMY_TINY.id;

describe.each([
  [CHAT, { model, messages: ask("Tell me a story."), temperature: 0, max_tokens: 10 }],
  [COMPLETIONS, { model, prompt: "Once upon a time", temperature: 0, max_tokens: 10 }],
])("%s", (path, request) => {
  const read = (options?: object) =>
    streamed<ChatCompletionChunk | Completion>(server, path, { ...request, ...(options && { stream_options: options }) });

  test("T12 include_usage: null on every chunk, then one chunk of usage alone", async () => {
    const chunks = await read({ include_usage: true });
    const last = chunks.pop()!;
    expect(last).toMatchObject({ choices: [], usage: { completion_tokens: 10, prompt_tokens: expect.any(Number) } });
    expect(last.usage!.total_tokens).toBe(last.usage!.prompt_tokens + 10);
    expect(chunks.map(({ usage }) => usage)).toEqual(chunks.map(() => null));
    expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
  });

  test.each([undefined, {}, { include_usage: false }, { continuous_usage_stats: true }])(
    "T12 with stream_options %j no chunk has a usage",
    async (options) => {
      const chunks = await read(options);
      expect(chunks.filter((chunk) => "usage" in chunk)).toEqual([]);
      expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
    },
  );

  test("T12 continuous_usage_stats: the usage so far on every chunk, never falling, true at the end", async () => {
    const chunks = await read({ include_usage: true, continuous_usage_stats: true });
    const counts = chunks.map(({ usage }) => usage!.completion_tokens);
    expect(counts[0]).toBe(path === CHAT ? 0 : 1); // the chunk with the role comes before any token
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBe(10);
    const prompts = new Set(chunks.map(({ usage }) => usage!.prompt_tokens));
    expect(prompts.size).toBe(1);
  });
});

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const chat = { model, messages: ask("What is the capital of France?"), temperature: 0, max_tokens: 16 };
    // What the templates of both models make of it, written out by hand.
    const system =
      model === SMOL.id ? "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" : "";
    const rendered = `${system}<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n`;

    test("T13 prompt_tokens counts the template too", async () => {
      const written = await wholeCompletion(server, { model, prompt: rendered, temperature: 0, max_tokens: 16 });
      const { usage, choices } = await wholeChat(server, chat);
      // The second of the two finds its prompt in the cache.
      const counts = ({ prompt_tokens, completion_tokens, total_tokens }: NonNullable<typeof usage>) => ({
        prompt_tokens,
        completion_tokens,
        total_tokens,
      });
      expect(counts(usage!)).toEqual(counts(written.usage!));
      expect(usage!.prompt_tokens_details!.cached_tokens).toBe(usage!.prompt_tokens - 1);
      expect(choices[0]!.message.content).toBe(written.choices[0]!.text);
    });

    test("T21 cache_prompt: false computes the whole prompt", async () => {
      await wholeChat(server, chat);
      const { usage } = await wholeChat(server, { ...chat, cache_prompt: false } as typeof chat);
      expect(usage!.prompt_tokens_details!.cached_tokens).toBe(0);
    });

    test("T13 completion_tokens counts the tokens, the same streamed and not", async () => {
      const answer = await wholeChat(server, { ...chat, logprobs: true });
      expect(answer.usage!.completion_tokens).toBe(answer.choices[0]!.logprobs!.content!.length);
      const chunks = await streamedChat(server, { ...chat, stream_options: { include_usage: true } });
      expect(chunks.at(-1)!.usage).toEqual(answer.usage);
      expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
    });
  });

const NAMES = ["max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict", "num_predict"];
const story = { model, messages: ask("Tell me a short story about a fox."), temperature: 0 };

describe.each(NAMES)("T18 %s", (name) => {
  test.each([1, 2, 7])("of %i gives exactly as many tokens", async (limit) => {
    for (const answer of [
      await wholeChat(server, { ...story, [name]: limit }),
      await wholeCompletion(server, { model, prompt: "Once upon a time", temperature: 0, [name]: limit }),
    ])
      expect([answer.usage!.completion_tokens, answer.choices[0]!.finish_reason]).toEqual([limit, "length"]);
  });

  test("of 0 gives none, streamed and not", async () => {
    const answer = await wholeChat(server, { ...story, [name]: 0 });
    expect(answer.choices[0]).toMatchObject({ message: { content: "" }, finish_reason: "length" });
    expect(answer.usage!.completion_tokens).toBe(0);
    const chunks = await streamedChat(server, { ...story, [name]: 0, stream_options: { include_usage: true } });
    expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([{ role: "assistant", content: "" }, {}, undefined]);
    expect(chunks.at(-1)!.usage).toEqual(answer.usage);
  });

  test("of −1, null or none at all is no limit", async () => {
    const ends = { ...story, messages: ask("What is the capital of France?") };
    for (const body of [{ ...ends, [name]: -1 }, { ...ends, [name]: null }, ends])
      expect((await wholeChat(server, body)).choices[0]).toMatchObject({
        finish_reason: "stop",
        message: { content: "The capital of France is Paris." },
      });
  });

  test("far beyond the context is no error", async () => {
    const answer = await wholeChat(server, { ...story, messages: ask("What is the capital of France?"), [name]: 128_000 });
    expect(answer.choices[0]!.finish_reason).toBe("stop");
  });
});

test("T18 the newest name wins where several are sent", async () => {
  const answer = await wholeChat(server, { ...story, n_predict: 9, max_tokens: 7, max_completion_tokens: 3 });
  expect(answer.usage!.completion_tokens).toBe(3);
});

test("T18 every one of several choices may be as long", async () => {
  const answer = await wholeChat(server, { ...story, n: 3, max_tokens: 5 });
  expect(answer.usage!.completion_tokens).toBe(15);
  expect(answer.choices.map(({ finish_reason }) => finish_reason)).toEqual(["length", "length", "length"]);
});
