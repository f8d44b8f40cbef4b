import fc from "fast-check";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { Stream } from "openai/streaming";
import { describe, expect, test } from "vitest";
import { finished, MODEL, progress, started, text, token } from "../test-support.ts";
import { encodeStreamChat } from "./encode.ts";
import { callWith, stream, whole } from "./test-support.ts";

const STORY = [started(7), text("Once"), text(" upon"), finished(0, { reason: "length" })];
const INCLUDE_USAGE = { stream_options: { include_usage: true } };

describe("a whole answer", () => {
  test("T1 is one JSON value with the text, the usage and the model that answered", async () => {
    expect(await whole(STORY, { model: "another" })).toEqual({
      id: "chatcmpl-r1",
      object: "chat.completion",
      created: 1_700_000_000,
      model: 'tiny "q8"',
      system_fingerprint: expect.stringMatching(/^fp_[0-9a-f]{8}$/),
      choices: [{ index: 0, message: { role: "assistant", content: "Once upon", refusal: null }, logprobs: null, finish_reason: "length" }],
      usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, prompt_tokens_details: { cached_tokens: 3 } },
      timings: {
        cache_n: 3,
        prompt_n: 4,
        prompt_ms: 40,
        prompt_per_second: 100,
        predicted_n: 2,
        predicted_ms: 500,
        predicted_per_second: 4,
      },
    });
  });

  test("T22 counts the prompt once and sums the choices", async () => {
    const events = [started(7), text("b", 1), text("a", 0), finished(1, { completionTokens: 5, cachedTokens: 7 }), text("c", 2)];
    const answer = await whole([...events, finished(2, { completionTokens: 1 }), finished(0, { completionTokens: 4, cachedTokens: 2 })], {
      n: 3,
    });
    expect(answer.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, "a"],
      [1, "b"],
      [2, "c"],
    ]);
    expect(answer.usage).toMatchObject({
      prompt_tokens: 7,
      completion_tokens: 10,
      total_tokens: 17,
      prompt_tokens_details: { cached_tokens: 2 },
    });
  });

  test("has finite rates when an instant took no time", async () => {
    const timings = { queueMs: 0, promptMs: 0, predictedMs: 0 };
    expect((await whole([started(), finished(0, { timings })])).timings).toMatchObject({ prompt_per_second: 0, predicted_per_second: 0 });
  });

  test("fails when the events end before a choice did, or run on after it", async () => {
    await expect(whole([started(), text("a")])).rejects.toMatchObject({ code: "internal" });
    await expect(whole([started(), finished(), text("a")])).rejects.toMatchObject({ code: "internal" });
    await expect(whole([started(), text("a", 1), finished()])).rejects.toMatchObject({ code: "internal" });
  });
});

describe("a stream", () => {
  test("T2 each frame is exactly one data line, and [DONE] is the last", async () => {
    const { frames } = await stream([started(), text("a\n\ndata: b\r\u2028"), finished()]);
    for (const frame of frames) expect(frame).toMatch(/^data: [^\n\r]+\n\n$/);
    expect(frames.at(-1)).toBe("data: [DONE]\n\n");
  });

  test("T3 the first chunk has the role, no other has; finish_reason is null until the last; the head is the same on all", async () => {
    const { chunks } = await stream(STORY);
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }],
      [{ index: 0, delta: { content: "Once" }, finish_reason: null }],
      [{ index: 0, delta: { content: " upon" }, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: "length" }],
    ]);
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ id: "chatcmpl-r1", object: "chat.completion.chunk", created: 1_700_000_000, model: 'tiny "q8"' });
      expect(chunk.system_fingerprint).toBe(chunks[0]?.system_fingerprint);
    }
  });

  test("T3 the role is sent when the request has started, before any token", async () => {
    let ask = () => {};
    const waiting = new Promise<void>((resolve) => {
      ask = resolve;
    });
    async function* slow() {
      yield started();
      await waiting;
      yield finished();
    }
    const frames = encodeStreamChat(callWith(), MODEL, slow())[Symbol.asyncIterator]();
    expect((await frames.next()).value).toContain('"role":"assistant"');
    ask();
    expect((await frames.next()).value).toContain('"finish_reason":"stop"');
  });

  test("T4 the last chunk of each choice is an empty delta with its reason, exactly once", async () => {
    const events = [started(), text("a", 1), finished(1, { reason: "length" }), text("b", 0), finished(0)];
    const { chunks } = await stream(events, { n: 2 });
    const ends = chunks.flatMap(({ choices }) => choices).filter(({ finish_reason }) => finish_reason !== null);
    expect(ends).toEqual([
      { index: 1, delta: {}, finish_reason: "length" },
      { index: 0, delta: {}, finish_reason: "stop" },
    ]);
    expect(chunks.slice(0, 2).map(({ choices }) => [choices[0]?.index, choices[0]?.delta.role])).toEqual([
      [0, "assistant"],
      [1, "assistant"],
    ]);
  });

  test("T12 include_usage: null on every chunk, then one chunk without choices before [DONE]", async () => {
    const { chunks, frames } = await stream(STORY, INCLUDE_USAGE);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } });
    expect(frames).toHaveLength(chunks.length + 1);
  });

  test("T12 without include_usage no chunk has the key", async () => {
    const { chunks } = await stream(STORY);
    expect(chunks.some((chunk) => "usage" in chunk)).toBe(false);
  });

  test("T12 continuous_usage_stats: usage so far on every chunk", async () => {
    const { chunks } = await stream(STORY, { stream_options: { include_usage: true, continuous_usage_stats: true } });
    expect(chunks.map(({ usage }) => [usage?.prompt_tokens, usage?.completion_tokens])).toEqual([
      [7, 0],
      [7, 1],
      [7, 2],
      [7, 2],
      [7, 2],
    ]);
  });

  test("timings are on the very last chunk only, for all choices", async () => {
    const events = [started(7), text("a", 1), finished(1), text("b", 0), finished(0)];
    for (const fields of [{ n: 2 }, { n: 2, ...INCLUDE_USAGE }]) {
      const { chunks } = await stream(events, fields);
      expect(chunks.map((chunk) => chunk.timings?.predicted_n)).toEqual([...chunks.slice(1).map(() => undefined), 4]);
    }
  });

  test("progress of the prompt is llama.cpp's prompt_progress on an empty piece of text, after the role", async () => {
    const { chunks } = await stream([started(7), progress(2), progress(7), text("a"), finished()]);
    expect(chunks.map((chunk) => ("prompt_progress" in chunk ? chunk.prompt_progress : chunk.choices[0]?.delta))).toEqual([
      { role: "assistant", content: "" },
      { total: 7, cache: 2, processed: 2, time_ms: 12 },
      { total: 7, cache: 2, processed: 7, time_ms: 12 },
      { content: "a" },
      {},
    ]);
    expect(chunks[1]?.choices).toEqual([{ index: 0, delta: { content: "" }, finish_reason: null }]);
  });

  test("T7 a failure in the middle leaves no end mark and reaches the server", async () => {
    async function* failing() {
      yield started();
      throw new Error("engine gone");
    }
    const frames: string[] = [];
    const read = async () => {
      for await (const frame of encodeStreamChat(callWith(), MODEL, failing())) frames.push(frame);
    };
    await expect(read()).rejects.toThrow("engine gone");
    expect(frames).toHaveLength(1);
  });

  test("a reader that leaves ends the events", async () => {
    let ended = false;
    async function* endless() {
      try {
        yield started();
        for (;;) yield text("a");
      } finally {
        ended = true;
      }
    }
    for await (const frame of encodeStreamChat(callWith(), MODEL, endless())) if (frame.includes('"a"')) break;
    expect(ended).toBe(true);
  });

  test("the frame of a text is what JSON.stringify makes of the whole chunk", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({
          unit: fc.oneof(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 1 }), fc.constantFrom("é", "😀", "\ud800", "\u2028")),
          minLength: 1,
        }),
        fc.boolean(),
        async (piece, include_usage) => {
          const { frames } = await stream([started(), text(piece), finished()], { stream_options: { include_usage } });
          const chunk = JSON.parse(frames[1]!.slice("data: ".length));
          expect(frames[1]).toBe(`data: ${JSON.stringify(chunk)}\n\n`);
          expect(chunk.choices).toEqual([{ index: 0, delta: { content: piece }, finish_reason: null }]);
          expect("usage" in chunk).toBe(include_usage);
        },
      ),
    );
  });

  test("OpenAI's own client reads it", async () => {
    const { frames } = await stream(STORY, INCLUDE_USAGE);
    const read = Stream.fromSSEResponse<ChatCompletionChunk>(new Response(frames.join("")), new AbortController());
    let content = "";
    for await (const { choices } of read) content += choices[0]?.delta.content ?? "";
    expect(content).toBe("Once upon");
  });
});

describe("T25 logprobs", () => {
  const half = new Uint8Array([0xf0, 0x9f]);
  const events = [started(), text("a", 0, [token("a")]), text("", 0, [token(half, Number.NEGATIVE_INFINITY)]), text("", 0, []), finished()];
  const content = [
    { token: "a", logprob: -0.5, bytes: [97], top_logprobs: [{ token: "a", logprob: -0.5, bytes: [97] }] },
    { token: "\ufffd", logprob: -9999, bytes: [0xf0, 0x9f], top_logprobs: [{ token: "\ufffd", logprob: -9999, bytes: [0xf0, 0x9f] }] },
  ];

  test("are a list of tokens with their exact bytes, on the whole answer", async () => {
    expect((await whole(events, { logprobs: true, top_logprobs: 1 })).choices[0]?.logprobs).toEqual({ content, refusal: null });
  });

  test("are on the chunk of their text", async () => {
    const { chunks } = await stream(events, { logprobs: true, top_logprobs: 1 });
    expect(chunks.map(({ choices }) => choices[0]?.logprobs?.content)).toEqual([undefined, [content[0]], [content[1]], undefined]);
  });

  test("without top_logprobs have an empty list of alternatives", async () => {
    const plain = { ...token("a"), top: [] };
    const answer = await whole([started(), text("a", 0, [plain]), finished()], { logprobs: true });
    expect(answer.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toEqual([]);
  });
});
