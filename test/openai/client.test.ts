/** The official client for Node against both models: what it sends is taken, what it gets it understands. */
import OpenAI, { APIError, APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError } from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, until } from "../support/server.ts";
import { MODELS, SHIMMY_TINY, startBoth, vocabulary } from "./support.ts";

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startBoth();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(() => server.stop());

const ask = (content: string) => [{ role: "user" as const, content }];

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const textOf = (chunks: readonly ChatCompletionChunk[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
    .map(({ delta }) => delta.content ?? "")
    .join("");

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const chat = { model, messages: ask("Tell me a short story about a fox."), temperature: 0, max_tokens: 16 };
    const completion = { model, prompt: "Once upon a time", temperature: 0, max_tokens: 12 };

    test("T1 a chat without stream is one object", async () => {
      const answer = await client.chat.completions.create(chat);
      expect(answer).toMatchObject({
        object: "chat.completion",
        model,
        choices: [{ index: 0, message: { role: "assistant" }, finish_reason: "length" }],
      });
      expect(answer.usage!.completion_tokens).toBe(16);
    });

    test("T1 a completion without stream is one object", async () => {
      const answer = await client.completions.create(completion);
      expect(answer).toMatchObject({ object: "text_completion", model, choices: [{ index: 0, finish_reason: "length" }] });
    });

    test("T2, T3, T4, T11 a streamed chat: role first, one end last, and the text of the whole one", async () => {
      const chunks = await collect(await client.chat.completions.create({ ...chat, stream: true }));
      expect(chunks[0]!.choices[0]!.delta.role).toBe("assistant");
      expect(chunks.map(({ choices }) => choices[0]!.finish_reason)).toEqual([...chunks.slice(1).map(() => null), "length"]);
      expect(textOf(chunks)).toBe((await client.chat.completions.create(chat)).choices[0]!.message.content);
      expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
    });

    test("T2, T11 a streamed completion has the text of the whole one", async () => {
      const chunks = await collect(await client.completions.create({ ...completion, stream: true }));
      expect(chunks.map(({ choices }) => choices[0]!.text).join("")).toBe((await client.completions.create(completion)).choices[0]!.text);
    });

    test("T3, T12 the client's own stream helper puts the answer together", async () => {
      const stream = client.chat.completions.stream({ ...chat, stream_options: { include_usage: true } });
      const answer = await stream.finalChatCompletion();
      const whole = await client.chat.completions.create(chat);
      expect(answer.choices[0]!.message).toMatchObject({ role: "assistant", content: whole.choices[0]!.message.content });
      expect(answer.usage).toEqual(whole.usage);
    });

    test("T12, T13 the usage of a stream comes with its last chunk", async () => {
      const chunks = await collect(
        await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } }),
      );
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: (await client.chat.completions.create(chat)).usage });
    });

    test("T14 a stop string ends the stream before itself", async () => {
      const full = (await client.chat.completions.create(chat)).choices[0]!.message.content!;
      const stop = full.slice(8, 13);
      const chunks = await collect(await client.chat.completions.create({ ...chat, stop: [stop], stream: true }));
      expect(textOf(chunks)).toBe(full.slice(0, full.indexOf(stop)));
      expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe("stop");
    });

    test("T18, T21, T22 n answers of a seed, streamed and not", async () => {
      const body = { ...chat, n: 2, seed: 4, temperature: 1, max_tokens: 8 };
      const whole = await client.chat.completions.create(body);
      const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }));
      expect(whole.choices.map(({ message }) => message.content)).toEqual([textOf(chunks, 0), textOf(chunks, 1)]);
      expect(whole.usage!.completion_tokens).toBeLessThanOrEqual(16);
    });

    test("T25 log probabilities of a chat", async () => {
      const { logprobs } = (await client.chat.completions.create({ ...chat, max_tokens: 3, logprobs: true, top_logprobs: 2 })).choices[0]!;
      expect(logprobs!.content!.map(({ top_logprobs }) => top_logprobs.length)).toEqual([2, 2, 2]);
    });

    test("T26 log probabilities of a completion", async () => {
      const { logprobs, text } = (await client.completions.create({ ...completion, max_tokens: 3, logprobs: 2 })).choices[0]!;
      expect(logprobs!.tokens!.join("")).toBe(text);
      expect(logprobs!.top_logprobs!.map((top) => Object.keys(top).length)).toEqual([2, 2, 2]);
    });
  });

const hello = { model: SHIMMY_TINY.id, messages: ask("hello") };

test("T5 the client may send every field it knows", async () => {
  const answer = await client.chat.completions.create({
    ...hello,
    audio: null,
    frequency_penalty: null,
    logit_bias: null,
    metadata: { a: "b" },
    modalities: ["text"],
    parallel_tool_calls: true,
    prediction: null,
    presence_penalty: 0,
    prompt_cache_key: "k",
    reasoning_effort: "low",
    response_format: { type: "text" },
    service_tier: "auto",
    store: false,
    stop: null,
    tool_choice: "none",
    top_p: 1,
    user: "me",
    verbosity: "low",
  });
  expect(answer.choices[0]!.message.content).not.toBe("");
});

test("T6 a bad request, an unknown model and a wrong key become the client's own errors", async () => {
  const bad = client.chat.completions.create({ ...hello, temperature: 9 });
  await expect(bad).rejects.toBeInstanceOf(BadRequestError);
  await expect(bad).rejects.toMatchObject({ status: 400, param: "temperature", code: "invalid_value", type: "invalid_request_error" });
  await expect(client.models.retrieve("none")).rejects.toBeInstanceOf(NotFoundError);
  const guarded = await startServer({ args: ["--api-key", "secret"] });
  const at = { baseURL: `${guarded.url}/v1`, maxRetries: 0 };
  await expect(new OpenAI({ ...at, apiKey: "wrong" }).models.list()).rejects.toBeInstanceOf(AuthenticationError);
  expect((await new OpenAI({ ...at, apiKey: "secret" }).models.list()).data.map(({ id }) => id)).toEqual(["shimmy-tiny"]);
  await guarded.stop();
});

test("T7 too long a prompt is an error of the call, also when it would have streamed", async () => {
  const long = client.chat.completions.create({ ...hello, messages: ask("word ".repeat(3000)), stream: true });
  await expect(long).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
});

test("T7 an engine that dies in mid-stream is an error of the stream", async () => {
  const { id } = await vocabulary(SHIMMY_TINY.path);
  const endless = { ...hello, temperature: 1.5, logit_bias: { [id("<|im_end|>")]: -100, [id("<|endoftext|>")]: -100 } };
  const own = await startServer();
  const stream = await new OpenAI({ baseURL: `${own.url}/v1`, apiKey: "none", maxRetries: 0 }).chat.completions.create({
    ...endless,
    stream: true,
  });
  const reading = (async () => {
    let chunks = 0;
    for await (const chunk of stream) if (chunks++ === 0 && chunk) for (const pid of await own.engines()) process.kill(pid, "SIGKILL");
  })();
  await expect(reading).rejects.toBeInstanceOf(APIError);
  await expect(reading).rejects.toMatchObject({ code: "engine_gone" });
  await own.stop();
});

/** As a scrape tells it. */
async function running(): Promise<string | undefined> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return /^shimmy_running_requests\{model="shimmy-tiny"\} (\d+)$/m.exec(metrics)?.[1];
}

test("a client that aborts is done at once, and the server goes on", async () => {
  const { id } = await vocabulary(SHIMMY_TINY.path);
  const endless = { ...hello, logit_bias: { [id("<|im_end|>")]: -100, [id("<|endoftext|>")]: -100 } };
  const leave = new AbortController();
  const call = client.chat.completions.create(endless, { signal: leave.signal });
  setTimeout(() => leave.abort(), 30);
  await expect(call).rejects.toBeInstanceOf(APIUserAbortError);
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  await until(async () => (await running()) === "0");
  expect((await client.chat.completions.create({ ...hello, temperature: 0 })).choices[0]!.finish_reason).toBe("stop");
});
