/** T25 and T26: log probabilities in both shapes of OpenAI. */
import type { ChatCompletionTokenLogprob } from "openai/resources/chat/completions";
import type { CompletionChoice } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, type TestServer } from "../support/server.ts";
import {
  ask,
  CHAT,
  COMPLETIONS,
  chatText,
  completionText,
  MODELS,
  SHIMMY_TINY,
  SMOL,
  startBoth,
  streamedChat,
  streamedCompletion,
  wholeChat,
  wholeCompletion,
} from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
const bytesOf = (tokens: readonly ChatCompletionTokenLogprob[]) => Buffer.from(tokens.flatMap(({ bytes }) => bytes!));

const story = { messages: ask("Tell me a short story about a fox."), temperature: 0, max_tokens: 16, logprobs: true };
const tale = { prompt: "Once upon a time", temperature: 0, max_tokens: 12 };

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const request = { model, ...story };

    test("T25 each token has its text, bytes, log probability and alternatives", async () => {
      const { message, logprobs } = (await wholeChat(server, { ...request, top_logprobs: 5 })).choices[0]!;
      const content = logprobs!.content!;
      expect(bytesOf(content).toString()).toBe(message.content);
      for (const { token, logprob, bytes, top_logprobs } of content) {
        expect(Buffer.from(bytes!).toString()).toBe(token);
        expect(top_logprobs).toHaveLength(5);
        // Greedy, so the token is the likeliest; the others follow in order.
        expect(top_logprobs[0]).toEqual({ token, logprob, bytes });
        const values = top_logprobs.map(({ logprob }) => logprob);
        expect(values).toEqual([...values].sort((a, b) => b - a));
        expect(logprob).toBeLessThanOrEqual(0);
      }
    });

    test("T25 the probabilities of the twenty likeliest sum to at most one, and to nearly one", async () => {
      const { logprobs } = (await wholeChat(server, { ...request, max_tokens: 8, top_logprobs: 20 })).choices[0]!;
      const sums = logprobs!.content!.map(({ top_logprobs }) => sum(top_logprobs.map(({ logprob }) => Math.exp(logprob))));
      expect(Math.max(...sums)).toBeLessThanOrEqual(1 + 1e-6);
      expect(Math.max(...sums)).toBeGreaterThan(0.9);
      for (const { top_logprobs } of logprobs!.content!) {
        const visible = top_logprobs.filter(({ bytes }) => bytes!.length > 0); // control tokens have no bytes
        expect(new Set(visible.map(({ bytes }) => String(bytes))).size).toBe(visible.length);
      }
    });

    test("T25 streamed they are the same", async () => {
      const answer = await wholeChat(server, { ...request, top_logprobs: 2 });
      const chunks = await streamedChat(server, { ...request, top_logprobs: 2 });
      expect(chunks.flatMap(({ choices }) => choices[0]!.logprobs?.content ?? [])).toEqual(answer.choices[0]!.logprobs!.content);
    });

    test("T25 with a stop string they cover the text and no more", async () => {
      const { message: full, logprobs: all } = (await wholeChat(server, request)).choices[0]!;
      const tokens = all!.content!.map(({ token }) => token);
      // From the middle of a token into the next one, so that the first is sent in part before the stop string is complete.
      const split = tokens.findIndex((token, i) => i > 2 && token.length > 1 && i + 1 < tokens.length);
      const across = tokens[split]!.slice(-1) + tokens[split + 1]!;
      for (const stop of [across, full.content!.slice(4, 7), full.content!.slice(10, 11)]) {
        const body = { ...request, stop };
        const { message, logprobs } = (await wholeChat(server, body)).choices[0]!;
        const content = logprobs!.content!;
        const text = Buffer.from(message.content!);
        expect(bytesOf(content).subarray(0, text.length)).toEqual(text);
        if (content.length > 0) expect(bytesOf(content.slice(0, -1)).length).toBeLessThan(text.length); // the last one is needed
        const chunks = await streamedChat(server, body);
        expect(chunks.flatMap(({ choices }) => choices[0]!.logprobs?.content ?? [])).toEqual(content);
        expect(chatText(chunks)).toBe(message.content);
      }
    });

    const completion = { model, ...tale };

    test("T26 completions have the four lists of the legacy shape", async () => {
      const { text, logprobs } = (await wholeCompletion(server, { ...completion, logprobs: 3 })).choices[0]!;
      const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs as Required<CompletionChoice.Logprobs>;
      expect([tokens, token_logprobs, top_logprobs, text_offset].map(({ length }) => length)).toEqual([12, 12, 12, 12]);
      expect(tokens.join("")).toBe(text);
      for (const [i, token] of tokens.entries()) {
        expect(text.startsWith(token, text_offset[i])).toBe(true);
        expect(top_logprobs[i]![token]).toBe(token_logprobs[i]);
        const probabilities = Object.values(top_logprobs[i]!).map(Math.exp);
        expect(probabilities).toHaveLength(3);
        expect(sum(probabilities)).toBeLessThanOrEqual(1 + 1e-6);
        expect(Math.exp(token_logprobs[i]!)).toBe(Math.max(...probabilities));
      }
    });

    test("T26 streamed the lists go on where they stopped", async () => {
      const answer = (await wholeCompletion(server, { ...completion, logprobs: 2 })).choices[0]!;
      const chunks = await streamedCompletion(server, { ...completion, logprobs: 2 });
      const lists = chunks.flatMap(({ choices }) => choices[0]!.logprobs ?? []);
      expect(lists.flatMap(({ tokens }) => tokens!)).toEqual(answer.logprobs!.tokens);
      expect(lists.flatMap(({ text_offset }) => text_offset!)).toEqual(answer.logprobs!.text_offset);
      expect(lists.flatMap(({ token_logprobs }) => token_logprobs!)).toEqual(answer.logprobs!.token_logprobs);
      expect(completionText(chunks)).toBe(answer.text);
    });
  });

describe(SHIMMY_TINY.label, () => {
  const request = { model: SHIMMY_TINY.id, ...story };
  const completion = { model: SHIMMY_TINY.id, ...tale };

  test("T25 logprobs without top_logprobs has no alternatives, and neither has top_logprobs 0 or null", async () => {
    for (const top_logprobs of [undefined, 0, null]) {
      const { logprobs } = (await wholeChat(server, { ...request, max_tokens: 4, top_logprobs })).choices[0]!;
      expect(logprobs!.content!.map((token) => token.top_logprobs)).toEqual([[], [], [], []]);
    }
  });

  test("T25 unasked there are none", async () => {
    for (const logprobs of [undefined, false, null]) {
      expect((await wholeChat(server, { ...request, max_tokens: 2, logprobs })).choices[0]!.logprobs).toBeNull();
      const chunks = await streamedChat(server, { ...request, max_tokens: 2, logprobs });
      expect(chunks.every(({ choices }) => !choices[0]!.logprobs)).toBe(true);
    }
  });

  test("T25 they are of the model, before temperature, bias and penalties", async () => {
    const plain = (await wholeChat(server, { ...request, max_tokens: 1, top_logprobs: 3 })).choices[0]!.logprobs!.content![0]!;
    const changes = { temperature: 2, top_k: 1, logit_bias: { "300": 1 }, presence_penalty: 1 };
    const changed = (await wholeChat(server, { ...request, ...changes, max_tokens: 1, top_logprobs: 3 })).choices[0]!.logprobs!
      .content![0]!;
    expect(changed.top_logprobs).toEqual(plain.top_logprobs);
  });

  test("T26 logprobs 0 lists the chosen tokens, and none at all without it", async () => {
    const { logprobs } = (await wholeCompletion(server, { ...completion, max_tokens: 3, logprobs: 0 })).choices[0]!;
    expect(logprobs!.top_logprobs!.map((top) => Object.keys(top))).toEqual(logprobs!.tokens!.map((token) => [token]));
    expect((await wholeCompletion(server, { ...completion, max_tokens: 3 })).choices[0]!.logprobs).toBeNull();
  });

  test("T26 echo repeats the prompt before the text, once for each choice, streamed and not", async () => {
    const body = { ...completion, n: 2, max_tokens: 4, echo: true };
    const plain = await wholeCompletion(server, { ...body, echo: false });
    const expected = plain.choices.map(({ text }) => completion.prompt + text);
    expect((await wholeCompletion(server, body)).choices.map(({ text }) => text)).toEqual(expected);
    const chunks = await streamedCompletion(server, body);
    expect([completionText(chunks, 0), completionText(chunks, 1)]).toEqual(expected);
  });
});

test.skipIf(SMOL.missing)(`T25 a token that is part of a character shows its bytes (${SMOL.label})`, async () => {
  const body = {
    model: SMOL.id,
    messages: ask("Write three emoji: 😀 👩‍👩‍👧"),
    temperature: 0,
    max_tokens: 6,
    logprobs: true,
    top_logprobs: 1,
  };
  const { message, logprobs } = (await wholeChat(server, body)).choices[0]!;
  const parts = logprobs!.content!.filter(({ token }) => token.includes("\ufffd"));
  expect(parts.length).toBeGreaterThan(0);
  // All six tokens, the bytes of a character that was cut at the end included.
  expect(logprobs!.content).toHaveLength(6);
  expect(bytesOf(logprobs!.content!).subarray(0, Buffer.byteLength(message.content!)).toString()).toBe(message.content);
});

test.each([
  ["top_logprobs", CHAT, { messages: ask("hi"), top_logprobs: 2 }],
  ["top_logprobs", CHAT, { messages: ask("hi"), logprobs: true, top_logprobs: 21 }],
  ["logprobs", CHAT, { messages: ask("hi"), logprobs: 2 }],
  ["logprobs", COMPLETIONS, { prompt: "hi", logprobs: 21 }],
  ["logprobs", COMPLETIONS, { prompt: "hi", logprobs: true }],
])("T25 %s of %s out of range is a 400 that names it", async (param, path, body) => {
  const response = await post(server, path, { model: SHIMMY_TINY.id, ...body });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param } });
});
