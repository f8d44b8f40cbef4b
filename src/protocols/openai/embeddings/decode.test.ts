import { describe, expect, test } from "vitest";
import { CONTEXT, MODEL, refusal } from "../test-support.ts";
import { MAX_INPUTS } from "../vectors.ts";
import { embeddingsAnswer } from "../vectors-answer.ts";
import { decodeEmbedding } from "./decode.ts";
import { encodeEmbeddings } from "./encode.ts";

const decode = (fields: object = {}) => decodeEmbedding({ model: "tiny", input: "Once", ...fields }, CONTEXT);

test("a bare request has the defaults, and null is the same as none", () => {
  const bare = { request: { id: "r1", model: "tiny", inputs: [{ text: "Once" }] }, format: "float" };
  expect(decode()).toEqual(bare);
  const optional = "encoding_format dimensions pooling truncate truncate_prompt_tokens keep_alive ttl priority user".split(" ");
  expect(decode(Object.fromEntries(optional.map((name) => [name, null])))).toEqual(bare);
});

test.each<[unknown, object[]]>([
  [
    ["a", "b"],
    [{ text: "a" }, { text: "b" }],
  ],
  [[1, 2], [{ tokens: [1, 2] }]],
  [
    [[1, 2], [3]],
    [{ tokens: [1, 2] }, { tokens: [3] }],
  ],
  [
    ["a", [3]],
    [{ text: "a" }, { tokens: [3] }],
  ],
])("input %j", (input, inputs) => {
  expect(decode({ input }).request.inputs).toEqual(inputs);
});

test.each<[unknown, string, string]>([
  [undefined, "input", "it is required"],
  [5, "input", "must be a string or an array"],
  ["", "input", "must not be an empty string"],
  [[], "input", "must not be empty"],
  [[[]], "input[0]", "must not be empty"],
  [["a", ""], "input[1]", "must not be an empty string"],
  [[1, "a"], "input[1]", "must be a number"],
  [[[1, -1]], "input[0][1]", "must be at least 0"],
  [["a", {}], "input[1]", "must be a string or an array of token ids"],
  [Array(MAX_INPUTS + 1).fill("a"), "input", "at most"],
])("T73 input %j is a 400", (input, param, reason) => {
  const refused = refusal(() => decode({ input }));
  expect(refused).toMatchObject({ code: "invalid_value", param });
  expect(refused.reason).toContain(reason);
});

describe("wishes", () => {
  test("truncation by every name", () => {
    expect(decode({ truncate: true }).request.truncate).toBe(true);
    expect(decode({ truncate_prompt_tokens: 7 }).request).toMatchObject({ truncateTo: 7 });
    expect(decode({ truncate_prompt_tokens: -1 }).request).toMatchObject({ truncate: true });
  });

  test("how long the model stays, its pooling, who is first", () => {
    expect(decode({ keep_alive: "5m", pooling: "cls", priority: 2 }).request).toMatchObject({
      keepAliveMs: 300_000,
      pooling: "cls",
      priority: 2,
    });
    expect(decode({ priority: -5 }).request.priority).toBe(0);
    expect(refusal(() => decode({ pooling: "max" })).param).toBe("pooling");
  });
});

describe("answers", () => {
  const result = { vectors: [Float32Array.of(0.6, 0.8, 0), Float32Array.of(0, 0, 1)], tokens: [3, 4] };

  test("T72 floats and base64 are the same numbers", () => {
    const floats = encodeEmbeddings(decode(), MODEL, result);
    const coded = encodeEmbeddings(decode({ encoding_format: "base64" }), MODEL, result);
    expect(floats).toMatchObject({ object: "list", model: MODEL.info.id, usage: { prompt_tokens: 7, total_tokens: 7 } });
    for (const answer of [floats, coded]) expect(embeddingsAnswer.safeParse(answer).error).toBeUndefined();
    for (const [index, { embedding }] of coded.data.entries()) {
      const bytes = Buffer.from(embedding as string, "base64");
      expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual(floats.data[index]!.embedding);
    }
  });

  test("T73 fewer dimensions have the length 1 again, zeros stay zeros, more are a 400", () => {
    const { data } = encodeEmbeddings(decode({ dimensions: 2 }), MODEL, result);
    expect(Math.hypot(...(data[0]!.embedding as number[]))).toBeCloseTo(1, 6);
    expect(data[1]!.embedding).toEqual([0, 0]);
    expect(refusal(() => encodeEmbeddings(decode({ dimensions: 4 }), MODEL, result))).toMatchObject({ param: "dimensions" });
  });
});
