import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGguf, type FixtureOptions, type FixtureValue, TINY_METADATA, tinyModel, writeModel } from "../../test/fixtures/gguf.ts";
import { ShimmyError } from "../contract/errors.ts";
import { readModelFile } from "./model-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shimmy-model-file-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Metadata = Readonly<Record<string, FixtureValue | undefined>>;

async function describeTiny(metadata: Metadata = {}, options: FixtureOptions = {}, name = "Some-Model.gguf") {
  return readModelFile(await writeModel(join(folder, name), tinyModel(metadata, options)));
}

async function reason(path: string): Promise<string> {
  const error = await readModelFile(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ShimmyError);
  return String((error as ShimmyError).details.reason);
}

/** The tiny model as another architecture: its keys are renamed. */
function as(architecture: string, changes: Metadata = {}): Metadata {
  const renamed = Object.entries(TINY_METADATA).flatMap(([key, value]) =>
    key.startsWith("llama.") ? [[key, undefined] as const, [key.replace("llama", architecture), value] as const] : [],
  );
  return { ...Object.fromEntries(renamed), "general.architecture": architecture, ...changes };
}

describe("a model is described by its header", () => {
  test("the plain facts", async () => {
    const model = await describeTiny({ "general.license": "mit", "tokenizer.chat_template": "{{ x }}", "general.file_type": 15 });
    expect(model).toMatchObject({
      architecture: "llama",
      family: "llama",
      parameters: 32 * 4 + 32,
      quantization: "Q4_K_M",
      contextLength: 256,
      chatTemplate: "{{ x }}",
      license: "mit",
      generative: true,
      // 2 layers × 2 KV heads × (8 + 8) values × 2 bytes
      kvBytesPerToken: 128,
    });
  });

  test.each<[string, FixtureValue | undefined]>([
    ["absent", undefined],
    ["unknown", 999],
    ["guessed by libllama", 1024 + 15],
  ])("the quantisation is that of most weights when file_type is %s", async (_, fileType) => {
    const tensors = [
      { name: "a", dims: [32] },
      { name: "b", dims: [32, 8], type: 8 },
    ];
    expect((await describeTiny({ "general.file_type": fileType }, { tensors })).quantization).toBe("Q8_0");
  });

  test.each<[string, Metadata, number]>([
    ["no head_count_kv: as many as heads", { "llama.attention.head_count_kv": undefined }, 256],
    ["one count a layer, some without attention", { "llama.attention.head_count_kv": [0, 2] }, 64],
    ["own key and value sizes", { "llama.attention.key_length": 16, "llama.attention.value_length": 4 }, 2 * 2 * 20 * 2],
    ["a cache in every second layer", { "llama.full_attention_interval": 2 }, 64],
    ["a shared last layer", { "llama.attention.shared_kv_layers": 1 }, 64],
    ["recurrent: none", as("mamba", { "mamba.attention.head_count": undefined, "mamba.attention.head_count_kv": undefined }), 0],
    ["an encoder: none", as("bert"), 0],
  ])("KV bytes a token: %s", async (_, metadata, bytes) => {
    expect((await describeTiny(metadata)).kvBytesPerToken).toBe(bytes);
  });

  test.each<[string, Metadata, boolean]>([
    ["heads of 8", {}, false],
    ["keys of 32 and values of 64", { "llama.attention.key_length": 32, "llama.attention.value_length": 64 }, true],
    ["keys of 64 and values of 40", { "llama.attention.key_length": 64, "llama.attention.value_length": 40 }, false],
    ["recurrent", as("mamba", { "mamba.attention.head_count": undefined, "mamba.attention.head_count_kv": undefined }), false],
  ])("whether the KV cache can be Q8_0: %s", async (_, metadata, quantizes) => {
    expect((await describeTiny(metadata)).kvQuantizes).toBe(quantizes);
  });

  test.each<[string, Metadata, boolean]>([
    ["a decoder", as("qwen3"), true],
    ["BERT", as("bert"), false],
    ["Nomic", as("nomic-bert"), false],
    ["an encoder-decoder", as("t5"), false],
    ["a decoder made an embedder by its pooling", as("qwen3", { "qwen3.pooling_type": 3 }), false],
    ["a decoder without causal attention", as("llama", { "llama.attention.causal": false }), false],
  ])("generative or not: %s", async (_, metadata, generative) => {
    expect((await describeTiny(metadata)).generative).toBe(generative);
  });

  test.each([
    [as("llama", { "general.name": "SmolLM2 135M" }), "x.gguf", "smollm"],
    [as("qwen3moe", { "general.name": undefined }), "model.gguf", "qwen"],
    [as("arcee", { "general.name": undefined }), "model.gguf", "arcee"],
    [as("llama", { "general.name": undefined }), "Mistral-7B.gguf", "mistral"],
  ])("the family comes from the names, else from the architecture (%#)", async (metadata, name, family) => {
    expect((await describeTiny(metadata, {}, name)).family).toBe(family);
  });
});

describe("a valid GGUF file that is no usable model is refused", () => {
  test.each<[Metadata, string]>([
    [{ "general.architecture": "gpt5" }, "unknown architecture 'gpt5'"],
    [{ "general.architecture": "gptj" }, "unknown architecture 'gptj'"],
    [{ "general.architecture": undefined }, "general.architecture is missing: not a model"],
    [{ "general.type": "adapter" }, "a LoRA adapter, not a model"],
    [{ "general.type": "mmproj" }, "a vision or audio projector (mmproj), not a model"],
    [{ "general.architecture": "clip" }, "a vision or audio projector (mmproj), not a model"],
    [{ "general.type": "imatrix" }, "an importance matrix (imatrix), not a model"],
    [{ "general.architecture": "controlvector" }, "a control vector, not a model"],
    [{ "general.type": "dataset" }, "its general.type is 'dataset', not a model"],
    [{ "llama.block_count": 0 }, "llama.block_count is 0, not between 1 and 512"],
    [{ "llama.block_count": 0xffff_ffff }, "llama.block_count is 4294967295, not between 1 and 512"],
    [{ "llama.block_count": undefined }, "llama.block_count is missing"],
    [{ "llama.context_length": undefined }, "llama.context_length is missing"],
    [{ "llama.context_length": "many" }, "llama.context_length is missing"],
    [{ "llama.embedding_length": 0 }, "llama.embedding_length is 0, not between 1 and 1048576"],
    [{ "llama.attention.head_count": undefined }, "llama.attention.head_count is missing"],
    [{ "llama.attention.head_count": 0 }, "llama.attention.head_count is 0"],
    [{ "llama.attention.head_count": 64 }, "llama.attention.head_count is not between 0 and the embedding length 32"],
    [
      { "llama.attention.head_count_kv": [1, 2, 3] },
      "llama.attention.head_count_kv is neither a number nor one number for each of the 2 layers",
    ],
    [{ "llama.nextn_predict_layers": 3 }, "llama.nextn_predict_layers is 3, more than its layers"],
    [{ "llama.rope.scaling.type": "magic" }, "llama.rope.scaling.type is 'magic', which is unknown"],
    [{ "llama.expert_count": 4 }, "llama.expert_used_count is 0 of 4 experts"],
    [{ "llama.expert_used_count": 2 }, "llama.expert_used_count is 2 of 0 experts"],
    [{ "llama.expert_count": 2000, "llama.expert_used_count": 2 }, "llama.expert_count is 2000, not between 0 and 1024"],
    [
      { "llama.expert_count": 4, "llama.expert_used_count": 2, "llama.expert_group_count": 3 },
      "llama.expert_group_count is 3 of 4 experts",
    ],
    [{ "tokenizer.ggml.model": undefined }, "no tokenizer (tokenizer.ggml.model is missing): not a model"],
    [{ "tokenizer.ggml.model": "none" }, "it has no vocabulary, so text cannot be given to it"],
    [{ "tokenizer.ggml.tokens": undefined }, "tokenizer.ggml.tokens is missing or empty"],
    [{ "tokenizer.ggml.tokens": ["a", "b", "a"] }, "its vocabulary has a token twice"],
    [{ "tokenizer.ggml.token_type": [1, 1] }, "tokenizer.ggml.token_type is shorter than the vocabulary"],
  ])("%o", async (metadata, expected) => {
    expect(await reason(await writeModel(join(folder, "refused.gguf"), tinyModel(metadata)))).toBe(expected);
  });

  test("a vocabulary without tensors", async () => {
    expect(await reason(await writeModel(join(folder, "vocab.gguf"), tinyModel({}, { tensors: [] })))).toBe(
      "vocabulary only: it has no tensors",
    );
  });

  test("experts that add up are taken", async () => {
    const model = await describeTiny({ "llama.expert_count": 4, "llama.expert_used_count": [2, 1], "llama.expert_group_count": 1 });
    expect(model.architecture).toBe("llama");
  });
});

describe("a model split into parts", () => {
  const split = (index: number): Metadata => ({ "split.no": { type: "u16", value: index }, "split.count": { type: "u16", value: 2 } });
  const part = (name: string, index: number) => join(folder, `${name}-0000${index}-of-00002.gguf`);
  const second = () =>
    buildGguf({
      metadata: { "split.no": { type: "u16", value: 1 }, "split.count": { type: "u16", value: 2 } },
      tensors: [{ name: "more", dims: [100] }],
    });

  test("is one, described by its first part and counted with all", async () => {
    const first = tinyModel(split(0));
    await writeModel(part("whole", 1), first);
    await writeModel(part("whole", 2), second());
    const model = await readModelFile(part("whole", 1));
    expect(model.parameters).toBe(32 * 4 + 32 + 100);
    expect(model.sizeBytes).toBe(first.length + second().length);
  });

  test("may have a first part without tensors", async () => {
    await writeModel(part("empty-first", 1), tinyModel(split(0), { tensors: [] }));
    await writeModel(part("empty-first", 2), second());
    expect((await readModelFile(part("empty-first", 1))).parameters).toBe(100);
  });

  test("is refused if a part is missing, and later parts are not models", async () => {
    await writeModel(part("half", 1), tinyModel(split(0)));
    expect(await reason(part("half", 1))).toBe("part 2, half-00002-of-00002.gguf, is missing");
    await writeModel(part("half", 2), second());
    expect(await reason(part("half", 2))).toBe("part 2 of 2 of a split model: the first part stands for it");
  });

  test.each<[string, Metadata, FixtureOptions["tensors"], string]>([
    ["says that it is another", { "split.no": { type: "u16", value: 0 } }, undefined, "part 2 of 2 says that it is part 1 of 2"],
    ["belongs to a larger model", { "split.count": { type: "u16", value: 3 } }, undefined, "part 2 of 2 says that it is part 2 of 3"],
    ["is no part at all", { "split.no": undefined, "split.count": undefined }, undefined, "part 2 of 2 says that it is part 0 of 0"],
    ["has a tensor of the first", {}, [{ name: "output_norm.weight", dims: [32] }], "tensor 'output_norm.weight' is in two of its parts"],
    [
      "has a tensor of no use",
      {},
      [{ name: "x", dims: [32], type: 24 }],
      "part 2, parts-00002-of-00002.gguf: tensor 'x' has the type I8, which is not one of weights",
    ],
  ])("is refused if its second part %s", async (_, changes, tensors, expected) => {
    const entries = Object.entries<FixtureValue | undefined>({ ...split(1), ...changes });
    const metadata = Object.fromEntries(entries.filter((entry): entry is [string, FixtureValue] => entry[1] !== undefined));
    await writeModel(part("parts", 1), tinyModel(split(0)));
    await writeModel(part("parts", 2), buildGguf({ metadata, tensors: tensors ?? [{ name: "more", dims: [100] }] }));
    expect(await reason(part("parts", 1))).toBe(expected);
  });

  test("is refused if it has fewer tensors than its first part announces", async () => {
    await writeModel(part("fewer", 1), tinyModel({ ...split(0), "split.tensors.count": { type: "i32", value: 9 } }));
    await writeModel(part("fewer", 2), second());
    expect(await reason(part("fewer", 1))).toBe("its parts have 3 tensors together, not the 9 that the first one announces");
  });

  test("is refused if its name does not tell libllama where the other parts are", async () => {
    expect(await reason(await writeModel(join(folder, "renamed.gguf"), tinyModel(split(0))))).toMatch(
      /^the first of 2 parts, but its name/,
    );
  });
});
