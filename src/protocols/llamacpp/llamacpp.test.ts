import { describe, expect, test } from "vitest";
import type { GenerationEvent } from "../../contract/generation.ts";
import { CONTEXT, finished, MODEL, play, progress, refusal, started, text, token } from "../openai/test-support.ts";
import { nativeAnswer } from "./answer-schema.ts";
import { decodeCompletion, decodeInfill } from "./decode.ts";
import { encodeStream, encodeWhole } from "./encode.ts";

const infill = (fields: object = {}) => decodeInfill({ input_prefix: "def f(", input_suffix: "):", ...fields }, CONTEXT);
const completion = (fields: object = {}) => decodeCompletion({ prompt: "Once", ...fields }, CONTEXT);

async function frames(call: ReturnType<typeof completion>, events: readonly GenerationEvent[]) {
  const list: object[] = [];
  for await (const frame of encodeStream(call, MODEL, play(events))) {
    expect(frame).toMatch(/^data: .*\n\n$/);
    list.push(JSON.parse(frame.slice("data: ".length)));
  }
  return list;
}

describe("the request", () => {
  test("of /infill is prefix, what was typed after it, and suffix, in a repository", () => {
    expect(infill({ prompt: "a, " }).request.prompt).toEqual({ kind: "infill", prefix: "def f(a, ", suffix: "):", files: [] });
    const files = [{ text: "A", filename: "a.py" }, { text: "B" }];
    expect(infill({ input_extra: files }).request.prompt).toMatchObject({
      files: [
        { name: "a.py", text: "A" },
        { name: "tmp", text: "B" },
      ],
    });
  });

  test("has llama-server's names for limits, probabilities and numbers of answers", () => {
    const { request, stream } = completion({ n_predict: 7, n_probs: 3, n_cmpl: 2, top_k: 5, stream: true, seed: -1 });
    expect([request, stream]).toMatchObject([{ maxTokens: 7, topLogprobs: 3, choices: 2, sampling: { topK: 5 } }, true]);
    expect(request.sampling).not.toHaveProperty("seed");
    expect(completion({ n_probs: 0 }).request).not.toHaveProperty("topLogprobs");
  });

  test("takes biases as pairs, false being a ban, and as an object", () => {
    const biases = [
      [5, 1.5],
      [7, -100],
    ];
    expect(completion({ logit_bias: [[5, 1.5], [7, false]] }).request.sampling.logitBias).toEqual(biases); // biome-ignore format: as it is sent
    expect(completion({ logit_bias: { "5": 1.5, "7": -100 } }).request.sampling.logitBias).toEqual(biases);
  });

  test.each<[() => unknown, string]>([
    [() => decodeInfill({ input_suffix: "" }, CONTEXT), "input_prefix"],
    [() => decodeInfill({ input_prefix: "" }, CONTEXT), "input_suffix"],
    [() => infill({ prompt: ["a"] }), "prompt"],
    [() => infill({ input_extra: [{ filename: "a" }] }), "input_extra[0].text"],
    [() => infill({ input_extra: "a" }), "input_extra"],
    [() => decodeCompletion({}, CONTEXT), "prompt"],
    [() => decodeCompletion(null, CONTEXT), "body"],
    [() => completion({ logit_bias: [["word", 1]] }), "logit_bias"],
    [() => completion({ logit_bias: [[5, "much"]] }), "logit_bias.5"],
    [() => completion({ n_probs: 21 }), "n_probs"],
  ])("%# is a 400 that names the field", (decode, param) => {
    expect(refusal(decode)).toMatchObject({ code: "invalid_value", param });
  });
});

describe("the answer", () => {
  const events = [started(7), text("a\n"), text("b"), finished(0, { stopSequence: "END" })];

  test("is one object with llama-server's fields", async () => {
    const answer = await encodeWhole(completion({ n_predict: 4, temperature: 0, stop: "END" }), MODEL, play(events));
    expect(answer).toEqual({
      index: 0,
      content: "a\nb",
      tokens: [],
      id_slot: -1,
      stop: true,
      model: 'tiny "q8"',
      tokens_predicted: 2,
      tokens_evaluated: 7,
      generation_settings: { temperature: 0, n_predict: 4, n_probs: 0, stop: ["END"], stream: false },
      prompt: "Once",
      has_new_line: true,
      truncated: false,
      stop_type: "word",
      stopping_word: "END",
      tokens_cached: 9,
      timings: expect.objectContaining({ cache_n: 3, prompt_n: 4, predicted_n: 2 }),
    });
    expect(nativeAnswer.safeParse(answer)).toMatchObject({ success: true, data: answer });
  });

  test.each([
    [{ reason: "stop" } as const, "eos"],
    [{ reason: "length" } as const, "limit"],
  ])("%j is told as %s", async (end, word) => {
    expect(await encodeWhole(completion(), MODEL, play([started(), finished(0, end)]))).toMatchObject({
      stop_type: word,
      stopping_word: "",
    });
  });

  test("of a stream are pieces, then the whole without the text, and no end mark", async () => {
    const [first, second, last, ...more] = await frames(completion({ stream: true }), events);
    expect(first).toEqual({ index: 0, content: "a\n", tokens: [], stop: false, id_slot: -1, tokens_predicted: 1, tokens_evaluated: 7 });
    expect(second).toMatchObject({ content: "b", tokens_predicted: 2 });
    expect(last).toMatchObject({ content: "", stop: true, stop_type: "word", tokens_predicted: 2, has_new_line: true });
    expect(more).toEqual([]);
  });

  test("tells ids and probabilities where they were asked for", async () => {
    const seen = [started(), text("a", 0, [token("a")]), finished()];
    const entry = { id: 1, token: "a", logprob: -0.5, bytes: [97] };
    const probabilities = { completion_probabilities: [{ ...entry, top_logprobs: [entry] }] };
    expect(await encodeWhole(completion({ n_probs: 1, return_tokens: true }), MODEL, play(seen))).toMatchObject({
      tokens: [1],
      ...probabilities,
    });
    expect((await frames(completion({ n_probs: 1, stream: true }), seen))[0]).toMatchObject({ tokens: [1], ...probabilities });
    const ids = await encodeWhole(completion({ return_tokens: true }), MODEL, play(seen));
    expect(ids).toMatchObject({ tokens: [1] });
    expect(ids).not.toHaveProperty("completion_probabilities");
  });

  test("has only the fields that were asked for, by their paths", async () => {
    const response_fields = ["content", "timings/predicted_n", "generation_settings/stop/0", "nothing/there", "__proto__/x"];
    expect(await encodeWhole(infill({ response_fields }), MODEL, play(events))).toEqual({ content: "a\nb", "timings/predicted_n": 2 });
  });

  test("of several prompts and answers are an array, each with the prompt and the counts of its own", async () => {
    const call = completion({ prompt: ["A", [1, 2]], n_cmpl: 2 });
    const first: GenerationEvent = { type: "started", promptTokens: 5, choice: 0 };
    const second: GenerationEvent = { type: "started", promptTokens: 2, choice: 2 };
    const played = [second, first, text("x", 3), finished(3), finished(0), finished(1), finished(2)];
    const answers = (await encodeWhole(call, MODEL, play(played))) as object[];
    expect(answers).toMatchObject([
      { index: 0, tokens_evaluated: 5, prompt: "A", content: "" },
      { index: 1, tokens_evaluated: 5, prompt: "A" },
      { index: 2, tokens_evaluated: 2 },
      { index: 3, tokens_evaluated: 2, content: "x" },
    ]);
  });

  test("tells how far the prompt is", async () => {
    const call = infill({ stream: true, return_progress: true });
    expect((await frames(call, [started(7), progress(2), finished()]))[0]).toMatchObject({
      content: "",
      stop: false,
      prompt_progress: { total: 7, cache: 2, processed: 2, time_ms: 12 },
    });
  });
});
