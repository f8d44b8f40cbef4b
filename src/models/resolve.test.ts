import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { ModelInfo } from "../contract/model.ts";
import { aliasTable } from "./alias-table.ts";
import { findByName, resolveModel, withAliases } from "./resolve.ts";
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
      expect(answer(name)).toEqual({ info: llama8, via: "exact" });
    },
  );

  test("1. a model that cannot generate is found by its name: the pool says why it cannot", () => {
    expect(answer("all-minilm")).toEqual({ info: bert, via: "exact" });
  });

  test.each([
    ["llama-3.1-8b-q8_0", llama8q8],
    ["llama-3.1-8b-q4_0", llama8],
    ["llama-1b", llama1],
    ["llama-70b", llama8],
    ["llama", llama1],
    ["Qwen2.5-72B", qwen],
  ])("3. the nearest of the same family: %s", (name, info) => {
    expect(answer(name)).toEqual({ info, via: "family", fallbackFrom: name });
  });

  test("3. the embedded model is last in its family too", () => {
    const own = model("shimmy-large", { family: "shimmy", parameters: 1e9 });
    expect(answer("shimmy-huge", [own, embedded]).info).toBe(own);
    expect(answer("shimmy-huge", [qwen, embedded]).info).toBe(embedded);
  });

  test("3. a family that cannot generate does not answer", () => {
    expect(answer("bert-large").info).toBe(qwen);
  });

  test("4. the default, for the template's own test-model", () => {
    expect(answer("test-model")).toEqual({ info: qwen, via: "default", fallbackFrom: "test-model" });
    expect(answer("test-model", [embedded])).toEqual({ info: embedded, via: "default", fallbackFrom: "test-model" });
    expect(answer("gpt-4o", [bert, embedded]).info).toBe(embedded);
  });

  test("5. an error with the alternatives if none can generate", () => {
    expect(() => answer("x", [bert])).toThrow(/The model 'x' does not exist. Available models: all-minilm/);
    expect(() => answer("", [])).toThrow(/Available models: none/);
  });
});

describe("the default model", () => {
  test.each(["", "  ", "default", "auto", "AUTO"])("answers for %j, which is no fallback", (name) => {
    expect(answer(name)).toEqual({ info: qwen, via: "alias" });
    expect(answer(name, all, { strict: true })).toEqual({ info: qwen, via: "alias" });
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
    expect(answer("qwen3-4b", all, { strict: true })).toEqual({ info: qwen, via: "exact" });
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

describe("aliases", () => {
  const tagged = model("ollama-llama3-8b", { aliases: ["llama3:latest", "hf.co/Org/Llama-3-GGUF:Q4_K_M"] });
  const models = [...all, tagged];
  const configured = {
    "gpt-4o": "qwen3-4b",
    "gpt-*": "default",
    "claude-*-haiku": "LLAMA-3.2-1b:q8_0",
    tag: "llama3",
    gone: "llama-70b-instruct",
  };
  const aliases = aliasTable(configured, { mine: "llama-3-8b-q8-0", "gpt-4o": "all-minilm", "qwen3-4b": "all-minilm", again: "mine" });
  const options = { strict: false, aliases };

  test.each([
    ["a whole name before a pattern", "gpt-4o", qwen],
    ["case does not matter, nor what Ollama's clients add", "GPT-4o:latest", qwen],
    ["a pattern", "claude-3-5-haiku", llama1],
    ["a pattern for the default", "gpt-3.5-turbo", qwen],
    ["a saved one", "mine", llama8q8],
    ["a tag of the model's store", "llama3:latest", tagged],
    ["another spelling of it", "LLAMA3", tagged],
    ["a long name of the store", "hf.co/org/llama-3-gguf:q4_k_m", tagged],
    ["an alias for a tag", "tag", tagged],
  ])("2. %s: %s", (_, name, info) => {
    for (const strict of [false, true]) expect(answer(name, models, { ...options, strict })).toEqual({ info, via: "alias" });
  });

  test("a model's own name is never taken by an alias", () => {
    expect(answer("qwen3-4b", models, options)).toEqual({ info: qwen, via: "exact" });
    expect(answer("QWEN3-4b.gguf", models, options)).toEqual({ info: qwen, via: "exact" });
  });

  test("an alias leads to no other alias, so there are no loops", () => {
    const loop = aliasTable({ a: "b", b: "a", c: "c" });
    for (const name of ["a", "b", "c"]) {
      expect(() => answer(name, all, { strict: true, aliases: loop })).toThrow("does not exist");
      expect(answer(name, all, { strict: false, aliases: loop })).toEqual({ info: qwen, via: "default", fallbackFrom: name });
    }
    expect(answer("again", models, options).via).toBe("default");
  });

  test("an alias for the default is no loop when the default is that alias", () => {
    expect(answer("x", all, { strict: false, default: "d", aliases: aliasTable({ d: "default" }) }).info).toBe(qwen);
    expect(answer("x", all, { strict: false, default: "d", aliases: aliasTable({ d: "all-minilm" }) }).info).toBe(bert);
  });

  test("an alias whose model is gone falls back in the family of that model", () => {
    expect(answer("gone", models, options)).toEqual({ info: llama8, via: "family", fallbackFrom: "gone" });
    expect(() => answer("gone", models, { ...options, strict: true })).toThrow("'gone' does not exist");
  });

  test("near aliases are among the alternatives", () => {
    expect(() => answer("mime", models, { ...options, strict: true })).toThrow(/Available models: mine, /);
  });

  test("are listed with their models; patterns, and names that other models have, are not", () => {
    const listed = new Map(withAliases(models, aliases).map((info) => [info.id, info.aliases]));
    expect(listed.get("qwen3-4b")).toEqual(["gpt-4o"]);
    expect(listed.get("llama-3-8b-q8-0")).toEqual(["mine"]);
    expect(listed.get("ollama-llama3-8b")).toEqual(["llama3:latest", "hf.co/Org/Llama-3-GGUF:Q4_K_M", "tag"]);
    expect(listed.get("all-minilm")).toBeUndefined();
  });
});

describe("whatever the name, the models and the aliases", () => {
  const word = fc.oneof(
    fc.constantFrom("llama-3-8b-q4-k-m", "qwen3", "llama", "default", "auto", "", "gpt-*", "*", "a", "b", "fast:latest", "LLAMA"),
    fc.string({ unit: "binary" }),
  );
  const anything = fc.record({
    name: word,
    models: fc.subarray(all),
    configured: fc.dictionary(word, word),
    saved: fc.dictionary(word, word),
    fallback: fc.option(word, { nil: undefined }),
    strict: fc.boolean(),
  });

  test("a listed model answers, the same each time, or model_not_found is thrown; strict never falls back", () => {
    fc.assert(
      fc.property(anything, ({ name, models, configured, saved, fallback, strict }) => {
        const options = { strict, aliases: aliasTable(configured, saved), ...(fallback !== undefined && { default: fallback }) };
        try {
          const resolved = resolveModel(name, models, options);
          expect(models).toContain(resolved.info);
          expect(resolved.fallbackFrom !== undefined).toBe(["family", "default"].includes(resolved.via));
          if (strict) expect(["exact", "alias"]).toContain(resolved.via);
          if (resolved.fallbackFrom !== undefined) expect(resolved.fallbackFrom).toBe(name);
          expect(resolveModel(name, models, options)).toEqual(resolved);
        } catch (error) {
          expect(error).toMatchObject({ code: "model_not_found" });
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("every name that a list shows is answered by the model beside it", () => {
    fc.assert(
      fc.property(anything, ({ models, configured, saved }) => {
        const aliases = aliasTable(configured, saved);
        for (const info of withAliases(models, aliases))
          for (const name of [info.id, ...(info.aliases ?? [])]) expect(findByName(name, models, aliases)?.id).toBe(info.id);
      }),
    );
  });
});

test("edit distance and nearness", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
  expect(nearestFirst("qwem3", ["phi", "qwen3", "llama"])).toEqual(["qwen3", "phi", "llama"]);
});

describe("where vectors or scores are wanted", () => {
  const embedder = { ...bert, capabilities: ["embedding" as const] };
  const other = model("nomic-embed", { generative: false, capabilities: ["embedding"] });
  const reranker = model("bge-reranker", { generative: false, capabilities: ["reranking"] });
  const both = [qwen, embedder, other, reranker, embedded];

  test("an embedding model stands in, a loaded one first; for scores a reranker", () => {
    expect(answer("text-embedding-3-small", both, { ...lenient, wants: "vectors" })).toMatchObject({ info: embedder, via: "default" });
    expect(answer("default", both, { ...lenient, wants: "vectors", loaded: new Set([other.id]) }).info).toBe(other);
    expect(answer("jina-reranker-v2", both, { ...lenient, wants: "scores" }).info).toBe(reranker);
    expect(answer("x", [qwen, embedder], { ...lenient, wants: "scores" }).info).toBe(embedder);
  });

  test("the default model answers only if it can; a chat model where there is no other; what is named always", () => {
    expect(answer("x", both, { ...lenient, wants: "vectors", default: qwen.id }).info).toBe(embedder);
    expect(answer("x", both, { ...lenient, wants: "vectors", default: other.id }).info).toBe(other);
    expect(answer("x", [qwen, embedded], { ...lenient, wants: "vectors" }).info).toBe(qwen);
    expect(answer(qwen.id, both, { ...lenient, wants: "vectors" })).toMatchObject({ info: qwen, via: "exact" });
  });
});
