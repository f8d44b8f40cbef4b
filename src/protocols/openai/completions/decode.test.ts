import { describe, expect, test } from "vitest";
import { CONTEXT, refusal } from "../test-support.ts";
import { decodeCompletion } from "./decode.ts";

const decode = (fields: object = {}) => decodeCompletion({ model: "tiny", prompt: "Once", ...fields }, CONTEXT);
const refuse = (fields: object) => refusal(() => decode(fields));

test("a bare request has the defaults, and no limit though OpenAI's is 16", () => {
  expect(decode()).toEqual({
    id: "cmpl-r1",
    created: 1_700_000_000,
    stream: false,
    includeUsage: false,
    continuousUsage: false,
    told: 1,
    logprobs: false,
    request: { id: "r1", model: "tiny", choices: 1, stop: [], sampling: {}, prompt: { kind: "text", text: "Once" } },
  });
});

test("T5 null for every optional field is the same as none", () => {
  const optional =
    "best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream stream_options suffix temperature top_p user";
  expect(decode(Object.fromEntries(optional.split(" ").map((name) => [name, null])))).toEqual(decode());
});

describe("prompt", () => {
  test.each<[unknown, object[]]>([
    ["Once", [{ kind: "text", text: "Once" }]],
    ["", [{ kind: "text", text: "" }]],
    [["Once"], [{ kind: "text", text: "Once" }]],
    [[1, 2, 3], [{ kind: "tokens", tokens: [1, 2, 3] }]],
    [[[1, 2, 3]], [{ kind: "tokens", tokens: [1, 2, 3] }]],
    [
      ["a", "b"],
      [
        { kind: "text", text: "a" },
        { kind: "text", text: "b" },
      ],
    ],
    [
      [[1], [2, 3]],
      [
        { kind: "tokens", tokens: [1] },
        { kind: "tokens", tokens: [2, 3] },
      ],
    ],
    [
      ["a", [2]],
      [
        { kind: "text", text: "a" },
        { kind: "tokens", tokens: [2] },
      ],
    ],
  ])("%j", (prompt, expected) => {
    const { request, batch = [request] } = decode({ prompt });
    expect(batch.map((each) => each.prompt)).toEqual(expected);
    expect(batch[0]).toBe(request);
  });

  test("several are requests that differ in id and prompt only", () => {
    const { batch } = decode({ prompt: ["a", "b", "c"], n: 2, seed: 7, logprobs: 1 });
    expect(batch!.map(({ id }) => id)).toEqual(["r1", "r1.1", "r1.2"]);
    const rest = batch!.map(({ id: _, prompt: __, ...others }) => others);
    expect(rest).toEqual(rest.map(() => rest[0]));
    expect(rest[0]).toMatchObject({ choices: 2, sampling: { seed: 7 }, topLogprobs: 1 });
  });

  test("evaluation harnesses may send 2048 of them and no more", () => {
    expect(decode({ prompt: Array.from({ length: 2048 }, () => [1]) }).batch).toHaveLength(2048);
    expect(refuse({ prompt: Array.from({ length: 2049 }, () => "a") })).toMatchObject({
      param: "prompt",
      reason: "must have at most 2048 prompts",
    });
  });

  test.each<[unknown, string, string]>([
    [undefined, "prompt", "it is required"],
    [null, "prompt", "must be a string or an array"],
    [5, "prompt", "must be a string or an array"],
    [[], "prompt", "must not be empty"],
    [[[]], "prompt[0]", "must not be empty"],
    [["a", 1], "prompt[1]", "must be a string, a token id"],
    [[1, "a"], "prompt[1]", "must be a number, not a string"],
    [[1, -1], "prompt[1]", "must be at least 0"],
    [[[1, 2 ** 31]], "prompt[0][1]", "must be at most 2147483647"],
    [[1.5], "prompt[0]", "must be a whole number"],
    [[{}], "prompt[0]", "must be a string, a token id"],
  ])("%j is a 400", (prompt, param, reason) => {
    const refused = refuse({ prompt });
    expect(refused).toMatchObject({ code: "invalid_value", param });
    expect(refused.reason).toContain(reason);
  });
});

test("echo remembers the prompts' texts, and asks the engine for those of tokens", () => {
  expect(decode({ echo: true })).toMatchObject({ echo: ["Once"], logprobs: false });
  expect(decode({ echo: true }).request).not.toHaveProperty("promptLogprobs");
  expect(decode({ echo: true, prompt: ["a", "b"] }).echo).toEqual(["a", "b"]);
  const ofTokens = decode({ echo: true, prompt: [1, 2] });
  expect(ofTokens).toMatchObject({ echo: [undefined], logprobs: false, request: { topLogprobs: 0, promptLogprobs: true } });
});

test("T26 echo with logprobs asks for those of the prompt; max_tokens 0 is what harnesses send", () => {
  expect(decode({ echo: true, logprobs: 1, max_tokens: 0 })).toMatchObject({
    logprobs: true,
    request: { topLogprobs: 1, promptLogprobs: true, maxTokens: 0 },
  });
});

test("T26 logprobs is a number of alternatives", () => {
  expect(decode({ logprobs: 0 }).request.topLogprobs).toBe(0);
  expect(decode({ logprobs: 5 }).request.topLogprobs).toBe(5);
  expect(refuse({ logprobs: 21 })).toMatchObject({ param: "logprobs", reason: "must be at most 20" });
  expect(refuse({ logprobs: true })).toMatchObject({ param: "logprobs", reason: "must be a number, not a boolean" });
});

describe("best_of", () => {
  test("makes more answers than are told, with the log probabilities to rank them", () => {
    expect(decode({ best_of: 3, n: 2 })).toMatchObject({ told: 2, logprobs: false, request: { choices: 3, topLogprobs: 0 } });
    expect(decode({ best_of: 3, logprobs: 2 })).toMatchObject({ told: 1, logprobs: true, request: { choices: 3, topLogprobs: 2 } });
  });

  test("of as many as n is no wish at all", () => {
    expect(decode({ best_of: 2, n: 2 })).toEqual(decode({ n: 2 }));
    expect(decode({ best_of: 1, stream: true })).toEqual(decode({ stream: true }));
  });
});

test("suffix is a wish to fill in the middle, and none when it is empty", () => {
  expect(decode({ suffix: ")" }).request.prompt).toEqual({ kind: "infill", prefix: "Once", suffix: ")" });
  expect(decode({ suffix: "" })).toEqual(decode());
});

test.each<[object, string, string]>([
  [{ best_of: 1, n: 2 }, "best_of", "must be at least n (2)"],
  [{ best_of: 2, stream: true }, "best_of", "cannot be combined with stream"],
  [{ best_of: 21 }, "best_of", "must be at most 20"],
  [{ suffix: "end", echo: true }, "echo", "cannot be combined with suffix"],
  [{ suffix: "end", prompt: [1, 2] }, "suffix", "needs the prompt as text"],
  [{ response_format: { type: "yaml" } }, "response_format.type", "must be"],
])("%j is a 400", (fields, param, reason) => {
  const refused = refuse(fields);
  expect(refused).toMatchObject({ code: "invalid_value", param });
  expect(refused.reason).toContain(reason);
});
