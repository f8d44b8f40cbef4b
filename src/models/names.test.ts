import { describe, expect, test } from "vitest";
import { assignIds, familyOf, idOfFile, idsMeantBy, parametersIn, quantizationIn } from "./names.ts";

const file = (path: string, embedded = false) => ({ path, embedded });

describe("the id of a file", () => {
  test.each([
    ["/m/SmolLM2-135M-Instruct-Q4_1.gguf", "smollm2-135m-instruct-q4-1"],
    ["/m/My Model v1.5.GGUF", "my-model-v1.5"],
    ["/m/big-00001-of-00004.gguf", "big"],
    ["/m/Äpfel.gguf", "äpfel"],
    ["/m/__.gguf", "model"],
    ["/m/a:b|c.gguf", "a-b-c"],
  ])("%s is %s", (path, id) => {
    expect(idOfFile(path)).toBe(id);
  });

  test("equal names are told apart by folder, then by a counter", () => {
    const ids = assignIds(["/a/x.gguf", "/b/x.gguf", "/c/b/x.gguf", "/d/b/x.gguf"].map((path) => file(path)));
    expect([...ids.values()]).toEqual(["x", "b-x", "b-x-2", "b-x-3"]);
  });

  test("the embedded model is shimmy-tiny, and no other file takes that name or a name of the default", () => {
    const ids = assignIds([
      file("/m/shimmy-tiny.gguf"),
      file("/m/default.gguf"),
      file("/m/auto.gguf"),
      file("/p/shimmy-tiny-q8_0.gguf", true),
    ]);
    expect([...ids]).toEqual([
      ["/p/shimmy-tiny-q8_0.gguf", "shimmy-tiny"],
      ["/m/shimmy-tiny.gguf", "m-shimmy-tiny"],
      ["/m/default.gguf", "m-default"],
      ["/m/auto.gguf", "m-auto"],
    ]);
  });

  test("a file that appears never takes the id of one that was there", () => {
    const before = assignIds([file("/b/x.gguf")]);
    const after = assignIds([file("/a/x.gguf"), file("/b/x.gguf")], before);
    expect(after.get("/b/x.gguf")).toBe("x");
    expect(after.get("/a/x.gguf")).toBe("a-x");
  });
});

describe("spellings", () => {
  test.each([
    "SmolLM2-135M-Q4_1",
    "smollm2-135m-q4_1.gguf",
    "smollm2-135m:q4_1",
    "models/SmolLM2-135M-Q4_1.gguf",
    "C:\\m\\smollm2-135m-q4_1.gguf",
  ])("%s means smollm2-135m-q4-1", (name) => {
    expect(idsMeantBy(name)).toContain("smollm2-135m-q4-1");
  });

  test("a hub name with its quantisation means the file of that repository", () => {
    expect(idsMeantBy("bartowski/SmolLM2-135M-GGUF:Q4_1")).toContain("smollm2-135m-q4-1");
    expect(idsMeantBy("llama3:latest")).toEqual(["llama3"]);
  });

  test("the id of every file is one of the meanings of its name", () => {
    for (const name of ["Qwen3-8B-Q4_K_M.gguf", "phi 3.5 mini.gguf", "x-00001-of-00002.gguf"])
      expect(idsMeantBy(name)).toContain(idOfFile(name));
  });

  test("path tricks mean nothing but words", () => {
    for (const name of ["../../etc/passwd", "..", "/", "\\\\host\\share", "a/../b", "\0"]) {
      for (const id of idsMeantBy(name)) expect(id).not.toMatch(/[\\/\0]|^\./);
    }
  });
});

describe("what a name says", () => {
  test.each([
    ["Meta-Llama-3-8B-Instruct", "llama"],
    ["tinyllama-1.1b", "llama"],
    ["SmolLM2-135M", "smollm"],
    ["qwen2.5-coder:7b", "qwen"],
    ["Mixtral-8x7B", "mistral"],
    ["phi3", "phi"],
    ["dolphin-2.6", undefined],
    ["gpt-4o", undefined],
    ["gpt-oss-20b", "gpt-oss"],
    ["DeepSeek-R1-Distill-Qwen-7B", "deepseek"],
    ["test-model", undefined],
    ["shimmy-tiny", "shimmy"],
  ])("%s is of the family %s", (name, family) => {
    expect(familyOf(name)).toBe(family);
  });

  test.each([
    ["llama-3-8b-q4_k_m", 8e9, "Q4_K_M"],
    ["SmolLM2-135M-Instruct-Q8_0", 135e6, "Q8_0"],
    ["qwen3:0.6b", 0.6e9, undefined],
    ["mixtral-8x7b-iq2_xs", 56e9, "IQ2_XS"],
    ["phi-4-mini-bf16", undefined, "BF16"],
    ["model-q6-k", undefined, "Q6_K"],
    ["gemma-3", undefined, undefined],
  ])("%s tells %s parameters and %s", (name, parameters, quantization) => {
    expect(parametersIn(name)).toBe(parameters);
    expect(quantizationIn(name)).toBe(quantization);
  });
});
