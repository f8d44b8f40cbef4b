/** Which of a repository's files is pulled, and what is said about it. */
import { expect, test } from "vitest";
import { chooseVariant, estimatedKvBytesPerToken } from "./choose.ts";
import { type HubFile, variantsOf } from "./variants.ts";

const GB = 1e9;
const file = (path: string, gigabytes: number): HubFile => ({ path, size: Math.round(gigabytes * GB), sha256: "a".repeat(64) });

/** As repositories of Llama 3.1 8B look. */
const LLAMA = [
  file("README.md", 0),
  file("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", 4.92),
  file("Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf", 2.95),
  file("Meta-Llama-3.1-8B-Instruct-Q4_0_4_4.gguf", 4.66),
  file("Meta-Llama-3.1-8B-Instruct-Q8_0.gguf", 8.54),
  file("Meta-Llama-3.1-8B-Instruct-Q6_K_L.gguf", 6.85),
  file("BF16/Meta-Llama-3.1-8B-Instruct-BF16-00002-of-00002.gguf", 6.1),
  file("BF16/Meta-Llama-3.1-8B-Instruct-BF16-00001-of-00002.gguf", 10),
  file("mmproj-model-f16.gguf", 0.6),
  file("Meta-Llama-3.1-8B-Instruct.imatrix.gguf", 0.005),
  file("lost-Q3_K_M-00001-of-00002.gguf", 2),
];
const variants = variantsOf(LLAMA);
const repo = "owner/repo";
const choose = (availableGB: number) => chooseVariant({ repo }, variants, availableGB * GB);

test("variants are whole models by size: no projectors, matrices or models with a missing part", () => {
  expect(variants.map(({ label, files }) => [label, files.length])).toEqual([
    ["IQ2_M", 1],
    ["Q4_0_4_4", 1],
    ["Q4_K_M", 1],
    ["Q6_K_L", 1],
    ["Q8_0", 1],
    ["BF16", 2],
  ]);
  expect(variants.at(-1)!.files.map(({ path }) => path.slice(-19))).toEqual(
    ["-00001-of-00002.gguf", "-00002-of-00002.gguf"].map((s) => s.slice(-19)),
  );
});

test.each([
  [64, "Q8_0"],
  [10.5, "Q6_K_L"],
  [9.5, "Q6_K_L"],
  [7.5, "Q4_K_M"],
  [6.5, "Q4_K_M"],
  [4, "IQ2_M"],
])("with %d GB free: %s", (available, label) => {
  expect(choose(available).variant.label).toBe(label);
});

test("says why", () => {
  expect(choose(7.5).reason).toMatch(
    /^Q4_K_M, 4\.9 GB: the largest of 8 bits or less that leaves room for a context of 8192 tokens \(about 1\.\d GB\) in the 7\.5 GB of free memory$/,
  );
  expect(choose(1).reason).toBe("IQ2_M, 3.0 GB: the smallest there is; with 1.0 GB of free memory it may not load");
});

test("what is named is taken even if it is large, with a warning", () => {
  expect(chooseVariant({ repo, quant: "bf16" }, variants, 8 * GB).reason).toBe(
    "BF16, 16.1 GB in 2 files: as asked for; with 8.0 GB of free memory it may not load",
  );
  const part = "BF16/Meta-Llama-3.1-8B-Instruct-BF16-00002-of-00002.gguf";
  expect(chooseVariant({ repo, file: part }, variants, 64 * GB).variant.files).toHaveLength(2);
});

test("16 bits are chosen where there is nothing else", () => {
  const only = variantsOf([file("a-f16.gguf", 1), file("a-f32.gguf", 2)]);
  expect(chooseVariant({ repo }, only, 64 * GB).variant.label).toBe("F32");
});

test.each([
  ["q4_k_m", "x-Q4_K_M.gguf"],
  ["Q4-K-M", "x-Q4_K_M.gguf"],
  ["UD-Q4_K_XL", "x-UD-Q4_K_XL.gguf"],
  ["Q4_K_XL", "x-UD-Q4_K_XL.gguf"],
  ["fp16", "x.fp16.gguf"],
  ["special", "special/y.gguf"],
  ["q4", "small-q4.gguf"],
])(":%s means %s", (quant, path) => {
  const all = ["x-Q4_K_M.gguf", "x-UD-Q4_K_XL.gguf", "x.fp16.gguf", "special/y.gguf", "small-q4.gguf"].map((name) => file(name, 1));
  expect(chooseVariant({ repo, quant }, variantsOf(all), 64 * GB).variant.files[0].path).toBe(path);
});

test("what is not there is an error that says what is", () => {
  expect(() => chooseVariant({ repo, quant: "Q5_K_M" }, variants, GB)).toThrowError(
    "owner/repo has no Q5_K_M. It has: IQ2_M (3.0 GB), Q4_0_4_4 (4.7 GB), Q4_K_M (4.9 GB), Q6_K_L (6.8 GB), Q8_0 (8.5 GB), BF16 (16.1 GB)",
  );
  expect(() => chooseVariant({ repo, file: "b.gguf" }, variantsOf([file("a.gguf", 1)]), GB)).toThrowError("It has: a.gguf");
  expect(() => chooseVariant({ repo }, variantsOf([file("model.safetensors", 1)]), GB)).toThrowError("It has: no GGUF model");
});

test("the guess of a token's KV cache meets Llama 3: 128 KiB for 8B, 320 for 70B, 32 for 1B", () => {
  const guess = (gigabytes: number) => estimatedKvBytesPerToken(variantsOf([file("x-Q4_K_M.gguf", gigabytes)])[0]!) / 1024;
  expect(guess(4.92)).toBeGreaterThan(115);
  expect(guess(4.92)).toBeLessThan(160);
  expect(guess(42.5)).toBeGreaterThan(300);
  expect(guess(42.5)).toBeLessThan(420);
  expect(guess(0.81)).toBeGreaterThan(32);
});
