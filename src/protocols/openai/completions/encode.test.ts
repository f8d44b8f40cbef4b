import fc from "fast-check";
import type { Completion } from "openai/resources/completions";
import { describe, expect, test } from "vitest";
import type { GenerationEvent } from "../../../contract/generation.ts";
import { anyEvents, CONTEXT, finished, MODEL, play, progress, readFrames, started, text, token } from "../test-support.ts";
import { decodeCompletion } from "./decode.ts";
import { encodeStreamCompletion, encodeWholeCompletion } from "./encode.ts";

const callWith = (fields: object = {}) => decodeCompletion({ prompt: "Once", ...fields }, CONTEXT);
const whole = (events: readonly GenerationEvent[], fields: object = {}) => encodeWholeCompletion(callWith(fields), MODEL, play(events));
const stream = (events: readonly GenerationEvent[], fields: object = {}) =>
  readFrames<Completion>(encodeStreamCompletion(callWith(fields), MODEL, play(events)));

const STORY = [started(7), text(" upon"), text(" a"), finished(0, { reason: "length" })];

test("T1 a whole answer is one JSON value", async () => {
  expect(await whole(STORY)).toMatchObject({
    id: "cmpl-r1",
    object: "text_completion",
    created: 1_700_000_000,
    model: 'tiny "q8"',
    choices: [{ index: 0, text: " upon a", logprobs: null, finish_reason: "length" }],
    usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
    timings: { predicted_n: 2 },
  });
});

test("T2 T4 a stream is texts, one end for each choice, and [DONE]", async () => {
  const { chunks, frames } = await stream(STORY);
  expect(chunks.map(({ choices }) => choices)).toEqual([
    [{ index: 0, text: " upon", logprobs: null, finish_reason: null }],
    [{ index: 0, text: " a", logprobs: null, finish_reason: null }],
    [{ index: 0, text: "", logprobs: null, finish_reason: "length" }],
  ]);
  expect(new Set(chunks.map(({ id, object, created, model }) => `${id} ${object} ${created} ${model}`)).size).toBe(1);
  expect(frames.at(-1)).toBe("data: [DONE]\n\n");
});

test("echo puts the prompt before the text of every choice", async () => {
  const events = [started(), text("b", 1), finished(1), text("a", 0), finished(0)];
  expect((await whole(events, { echo: true, n: 2 })).choices.map((choice) => choice.text)).toEqual(["Oncea", "Onceb"]);
  const { chunks } = await stream(events, { echo: true, n: 2 });
  expect(chunks.slice(0, 2).map(({ choices }) => choices[0]?.text)).toEqual(["Once", "Once"]);
});

describe("T26 logprobs", () => {
  const euro = new TextEncoder().encode("€");
  const rare = { ...token("x", Number.NEGATIVE_INFINITY), top: [{ token: 2, bytes: new TextEncoder().encode("y"), logprob: -0.1 }] };
  const events = [
    started(),
    text("é", 0, [token("é")]),
    text("€", 0, [token(euro.slice(0, 2)), token(euro.slice(2))]),
    text("x", 0, [rare]),
    finished(),
  ];
  const lists = {
    tokens: ["é", "bytes:\\xe2\\x82", "bytes:\\xac", "x"],
    token_logprobs: [-0.5, -0.5, -0.5, -9999],
    top_logprobs: [{ é: -0.5 }, { "bytes:\\xe2\\x82": -0.5 }, { "bytes:\\xac": -0.5 }, { y: -0.1, x: -9999 }],
    text_offset: [0, 1, 1, 2],
  };

  test("are four lists as long as the tokens, the chosen token among the alternatives, offsets in characters", async () => {
    expect((await whole(events, { logprobs: 1 })).choices[0]?.logprobs).toEqual(lists);
  });

  test("go on with their offsets from chunk to chunk", async () => {
    const { chunks } = await stream(events, { logprobs: 1 });
    expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.text_offset ?? [])).toEqual(lists.text_offset);
  });
});

test("progress of the prompt is an empty piece of text", async () => {
  const { chunks } = await stream([started(7), progress(2, 1), text("a"), finished(), finished(1)], { n: 2 });
  expect(chunks[0]).toMatchObject({
    choices: [{ index: 1, text: "", logprobs: null, finish_reason: null }],
    prompt_progress: { total: 7, cache: 2, processed: 2, time_ms: 12 },
  });
});

test("T11 the folded stream equals the whole answer, for any order of events", async () => {
  await fc.assert(
    fc.asyncProperty(anyEvents, fc.constantFrom({}, { logprobs: 1 }, { echo: true }), async ({ choices, events }, more) => {
      const fields = { n: choices, ...more, stream_options: { include_usage: true } };
      const { chunks } = await stream(events, fields);
      expect(fold(chunks, choices, "logprobs" in more)).toEqual(await whole(events, fields));
    }),
  );
});

/** As a client would: add up the pieces of each choice, take the rest from the last chunk. */
function fold(chunks: readonly Completion[], choices: number, logprobs: boolean) {
  const pieces = chunks.flatMap((chunk) => chunk.choices);
  return {
    ...chunks.at(-1),
    choices: Array.from({ length: choices }, (_, index) => {
      const own = pieces.filter((piece) => piece.index === index);
      const list = (name: "tokens" | "token_logprobs" | "top_logprobs" | "text_offset") =>
        own.flatMap((piece): unknown[] => piece.logprobs?.[name] ?? []);
      return {
        index,
        text: own.map((piece) => piece.text).join(""),
        logprobs: logprobs
          ? {
              tokens: list("tokens"),
              token_logprobs: list("token_logprobs"),
              top_logprobs: list("top_logprobs"),
              text_offset: list("text_offset"),
            }
          : null,
        finish_reason: own.at(-1)?.finish_reason,
      };
    }),
  };
}
