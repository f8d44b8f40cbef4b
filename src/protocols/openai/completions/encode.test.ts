import fc from "fast-check";
import type { Completion } from "openai/resources/completions";
import { describe, expect, test } from "vitest";
import type { GenerationEvent, TokenLogprob } from "../../../contract/generation.ts";
import { anyEvents, CONTEXT, finished, MODEL, play, progress, readFrames, started, text, token } from "../test-support.ts";
import { completionAnswer } from "./answer-schema.ts";
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

describe("T26 echo with logprobs", () => {
  const first = { token: 1, bytes: new Uint8Array(), logprob: Number.NaN, top: [] };
  const prompt = (tokens: readonly TokenLogprob[], choice = 0): GenerationEvent => ({ type: "prompt", choice, tokens });
  const events = [started(3), prompt([first, token("On"), token("ce")]), text("é", 0, [token("é", -1)]), finished()];
  const lists = {
    tokens: ["", "On", "ce", "é"],
    token_logprobs: [null, -0.5, -0.5, -1],
    top_logprobs: [null, { On: -0.5 }, { ce: -0.5 }, { é: -1 }],
    text_offset: [0, 0, 2, 4],
  };

  test("has those of the prompt first; the first token has none, for nothing is before it", async () => {
    expect((await whole(events, { echo: true, logprobs: 1 })).choices[0]).toMatchObject({ text: "Onceé", logprobs: lists });
  });

  test("streamed the prompt comes with its lists, and the offsets go on", async () => {
    const { chunks } = await stream(events, { echo: true, logprobs: 1 });
    expect(chunks.map(({ choices }) => choices[0]!.text)).toEqual(["Once", "é", ""]);
    expect(chunks.flatMap(({ choices }) => choices[0]!.logprobs?.token_logprobs ?? [])).toEqual(lists.token_logprobs);
    expect(chunks.flatMap(({ choices }) => choices[0]!.logprobs?.text_offset ?? [])).toEqual(lists.text_offset);
  });

  test("the token that ends an answer at once has its place, for harnesses throw the last one away", async () => {
    const end = token("", -0.1);
    const ended = [started(3), prompt([first, token("Once")]), finished(0, { completionTokens: 0, end })];
    const { choices, usage } = await whole(ended, { echo: true, logprobs: 1, max_tokens: 1 });
    expect(choices[0]!.logprobs).toMatchObject({ tokens: ["", "Once", ""], token_logprobs: [null, -0.5, -0.1], text_offset: [0, 0, 4] });
    expect([choices[0]!.text, usage.completion_tokens]).toEqual(["Once", 0]);
    const { chunks } = await stream(ended, { echo: true, logprobs: 1, max_tokens: 1 });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ finish_reason: "stop", logprobs: { token_logprobs: [-0.1], text_offset: [4] } });
  });

  test("of a prompt of tokens the text is that of the tokens, also without logprobs", async () => {
    const fields = { prompt: [5, 6], echo: true };
    const played = [started(2), prompt([token("On"), token("ce")]), text("!", 0, [token("!")]), finished()];
    expect((await whole(played, fields)).choices[0]).toMatchObject({ text: "Once!", logprobs: null });
    const { chunks } = await stream(played, fields);
    expect(chunks.map(({ choices }) => choices[0]!.text).join("")).toBe("Once!");
    expect(chunks.every(({ choices }) => choices[0]!.logprobs === null)).toBe(true);
  });

  test("a space that the vocabulary puts before the first token is no part of the text", async () => {
    const played = [started(2), prompt([token(" On"), token("ce")]), text("!", 0, [token("!")]), finished()];
    const { text: told, logprobs } = (await whole(played, { echo: true, logprobs: 0 })).choices[0]!;
    expect([told, logprobs!.text_offset]).toEqual(["Once!", [0, 2, 4]]);
  });
});

describe("several prompts", () => {
  const events = [started(7), text("a1", 0), started(5), text("b1", 2), text("a2", 1), finished(1), finished(0), finished(3), finished(2)];
  const fields = { prompt: ["A", "B"], n: 2 };

  test("are answered in one list, numbered through, with the usage of all", async () => {
    const { choices, usage } = await whole(events, { ...fields, echo: true });
    expect(choices.map(({ index, text: told }) => [index, told])).toEqual([
      [0, "Aa1"],
      [1, "Aa2"],
      [2, "Bb1"],
      [3, "B"],
    ]);
    expect(usage).toMatchObject({ prompt_tokens: 12, completion_tokens: 8, total_tokens: 20, prompt_tokens_details: { cached_tokens: 6 } });
  });

  test("are streamed with their numbers, each choice opened and closed once", async () => {
    const { chunks } = await stream(events, { ...fields, echo: true });
    expect(chunks.slice(0, 4).map(({ choices }) => [choices[0]!.index, choices[0]!.text])).toEqual([
      [0, "A"],
      [1, "A"],
      [2, "B"],
      [3, "B"],
    ]);
    expect(chunks.filter(({ choices }) => choices[0]!.finish_reason).map(({ choices }) => choices[0]!.index)).toEqual([1, 0, 3, 2]);
  });
});

test("the answer is what /openapi.json says of it", async () => {
  const events: GenerationEvent[] = [started(2), { type: "prompt", choice: 0, tokens: [token("On", Number.NaN), token("ce")] }, finished()];
  const answers = [await whole(STORY), await whole(events, { echo: true, logprobs: 1 })];
  for (const answer of answers) expect(completionAnswer.safeParse(answer)).toMatchObject({ success: true, data: answer });
});

test("best_of tells the answers with the largest mean log probability a token, best first", async () => {
  const made = [
    text("long", 0, [token("lo", -1), token("ng", -1)]),
    text("short", 1, [token("short", -1.5)]),
    text("bad", 2, [token("bad", -3)]),
  ];
  const events = [started(), ...made, finished(0), finished(1), finished(2)];
  const { choices, usage } = await whole(events, { n: 2, best_of: 3 });
  expect(choices).toMatchObject([
    { index: 0, text: "long", logprobs: null },
    { index: 1, text: "short", logprobs: null },
  ]);
  expect(usage.completion_tokens).toBe(6); // those that were thrown away were made too
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
