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
    echo: "",
    request: { id: "r1", model: "tiny", choices: 1, stop: [], sampling: {}, prompt: { kind: "text", text: "Once" } },
  });
});

test("T5 null for every optional field is the same as none", () => {
  const optional =
    "best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream stream_options suffix temperature top_p user";
  expect(decode(Object.fromEntries(optional.split(" ").map((name) => [name, null])))).toEqual(decode());
});

describe("prompt", () => {
  test.each<[unknown, object]>([
    ["Once", { kind: "text", text: "Once" }],
    ["", { kind: "text", text: "" }],
    [["Once"], { kind: "text", text: "Once" }],
    [[1, 2, 3], { kind: "tokens", tokens: [1, 2, 3] }],
    [[[1, 2, 3]], { kind: "tokens", tokens: [1, 2, 3] }],
  ])("%j", (prompt, expected) => {
    expect(decode({ prompt }).request.prompt).toEqual(expected);
  });

  test.each<[unknown, string, string]>([
    [undefined, "prompt", "it is required"],
    [null, "prompt", "must be a string or an array"],
    [5, "prompt", "must be a string or an array"],
    [[], "prompt", "must not be empty"],
    [[[]], "prompt[0]", "must not be empty"],
    [["a", "b"], "prompt", "several prompts"],
    [[[1], [2]], "prompt", "several prompts"],
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

test("echo remembers the prompt's text", () => {
  expect(decode({ echo: true }).echo).toBe("Once");
  expect(decode({ echo: true, prompt: ["Once"] }).echo).toBe("Once");
});

test("T26 logprobs is a number of alternatives", () => {
  expect(decode({ logprobs: 0 }).request.topLogprobs).toBe(0);
  expect(decode({ logprobs: 5 }).request.topLogprobs).toBe(5);
  expect(refuse({ logprobs: 21 })).toMatchObject({ param: "logprobs", reason: "must be at most 20" });
  expect(refuse({ logprobs: true })).toMatchObject({ param: "logprobs", reason: "must be a number, not a boolean" });
});

test("best_of is ignored up to n", () => {
  expect(decode({ best_of: 2, n: 2 })).toEqual(decode({ n: 2 }));
});

test.each<[object, string]>([
  [{ suffix: "end" }, "suffix"],
  [{ best_of: 2 }, "best_of"],
  [{ echo: true, logprobs: 1 }, "echo"],
  [{ echo: true, prompt: [1, 2] }, "echo"],
  [{ response_format: { type: "yaml" } }, "response_format.type"],
])("%j cannot be granted yet and is a 400", (fields, param) => {
  expect(refuse(fields)).toMatchObject({ code: "invalid_value", param });
});
