import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { ModelInfo } from "../contract/model.ts";
import { resolveModel } from "./resolve.ts";
import { editDistance, nearestFirst } from "./spelling.ts";

function model(id: string, changes: Partial<ModelInfo> = {}): ModelInfo {
  return {
    id,
    path: `/m/${id}.gguf`,
    source: "./models",
    sizeBytes: 1,
    modifiedMs: 0,
    architecture: "llama",
    family: "llama",
    parameters: 8e9,
    quantization: "Q4_K_M",
    contextLength: 8192,
    generative: true,
    kvBytesPerToken: 1,
    ...changes,
  };
}

const embedded = model("shimmy-tiny", { source: "embedded", family: "shimmy", parameters: 3e6, quantization: "Q8_0" });
const bert = model("all-minilm", { family: "bert", architecture: "bert", generative: false, parameters: 22e6 });
const llama1 = model("llama-3.2-1b-q8-0", { parameters: 1.2e9, quantization: "Q8_0" });
const llama8 = model("llama-3-8b-q4-k-m");
const llama8q8 = model("llama-3-8b-q8-0", { quantization: "Q8_0" });
const qwen = model("qwen3-4b", { family: "qwen", parameters: 4e9 });
const all = [bert, qwen, llama1, llama8, llama8q8, embedded];
const lenient = { strict: false };

const answer = (name: string, models = all, options: Parameters<typeof resolveModel>[2] = lenient) => resolveModel(name, models, options);

describe("the fallback hierarchy", () => {
  test.each(["llama-3-8b-q4-k-m", "LLAMA-3-8B-Q4_K_M", "llama-3-8b:q4_k_m", "llama-3-8b-q4_k_m.gguf", "org/llama-3-8b-q4-k-m"])(
    "1. the exact model, however it is spelled: %s",
    (name) => {
      expect(answer(name)).toEqual({ info: llama8 });
    },
  );

  test("1. a model that cannot generate is found by its name: the pool says why it cannot", () => {
    expect(answer("all-minilm")).toEqual({ info: bert });
  });

  test.each([
    ["llama-3.1-8b-q8_0", llama8q8],
    ["llama-3.1-8b-q4_0", llama8],
    ["llama-1b", llama1],
    ["llama-70b", llama8],
    ["llama", llama1],
    ["Qwen2.5-72B", qwen],
  ])("2. the nearest of the same family: %s", (name, info) => {
    expect(answer(name)).toEqual({ info, fallbackFrom: name });
  });

  test("2. the embedded model is last in its family too", () => {
    const own = model("shimmy-large", { family: "shimmy", parameters: 1e9 });
    expect(answer("shimmy-huge", [own, embedded]).info).toBe(own);
    expect(answer("shimmy-huge", [qwen, embedded]).info).toBe(embedded);
  });

  test("2. a family that cannot generate does not answer", () => {
    expect(answer("bert-large").info).toBe(qwen);
  });

  test("3. the default, for the template's own test-model", () => {
    expect(answer("test-model")).toEqual({ info: qwen, fallbackFrom: "test-model" });
    expect(answer("test-model", [embedded])).toEqual({ info: embedded, fallbackFrom: "test-model" });
    expect(answer("gpt-4o", [bert, embedded]).info).toBe(embedded);
  });

  test("4. an error with the alternatives if none can generate", () => {
    expect(() => answer("x", [bert])).toThrow(/The model 'x' does not exist. Available models: all-minilm/);
    expect(() => answer("", [])).toThrow(/Available models: none/);
  });
});

describe("the default model", () => {
  test.each(["", "  ", "default", "auto", "AUTO"])("answers for %j, which is no fallback", (name) => {
    expect(answer(name)).toEqual({ info: qwen });
    expect(answer(name, all, { strict: true })).toEqual({ info: qwen });
  });

  test("is the setting, in any spelling, before a loaded one, before the first", () => {
    const loaded = new Set([embedded.id, llama8.id]);
    expect(answer("", all, { strict: false, default: "LLAMA-3-8B-q8_0", loaded }).info).toBe(llama8q8);
    expect(answer("", all, { strict: false, default: "gone", loaded }).info).toBe(llama8);
    expect(answer("", all, { strict: false, loaded: new Set([embedded.id]) }).info).toBe(qwen);
  });
});

describe("strict", () => {
  test("only the named model answers, else the alternatives are listed, near spellings first", () => {
    expect(answer("qwen3-4b", all, { strict: true })).toEqual({ info: qwen });
    const error = (() => {
      try {
        return answer("lama-3-8b-q8-0", all, { strict: true });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(ShimmyError);
    expect(error).toMatchObject({ code: "model_not_found", status: 404, details: { model: "lama-3-8b-q8-0" } });
    expect((error as ShimmyError).details.available).toEqual([
      "llama-3-8b-q8-0",
      "llama-3.2-1b-q8-0",
      "llama-3-8b-q4-k-m",
      "all-minilm",
      "qwen3-4b",
      "shimmy-tiny",
    ]);
  });

  test("a name of a megabyte is cut in the error, and 300 models are not all listed", () => {
    const many = Array.from({ length: 300 }, (_, index) => model(`m-${index}`));
    const began = performance.now();
    for (const name of ["x".repeat(1_000_000), `${".".repeat(1_000_000)}x`, "1".repeat(1_000_000)]) {
      expect(() => answer(name, many, { strict: true })).toThrow(/^.{0,900}and 268 more$/);
    }
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

test("whatever the name, a listed model answers or model_not_found is thrown", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.subarray(all), fc.boolean(), (name, models, strict) => {
      try {
        const { info, fallbackFrom } = resolveModel(name, models, { strict });
        expect(models).toContain(info);
        expect(fallbackFrom === undefined || fallbackFrom === name).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ code: "model_not_found" });
      }
    }),
  );
});

test("edit distance and nearness", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
  expect(nearestFirst("qwem3", ["phi", "qwen3", "llama"])).toEqual(["qwen3", "phi", "llama"]);
});
