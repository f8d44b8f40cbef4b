/** LoRA files: kept as adapters, and paired with the models they change by manifest, by metadata, by name. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Catalogue } from "../../src/models/catalogue.ts";
import { writeModel } from "../fixtures/gguf.ts";
import { ids, loraFor, modelNamed, ollamaModel, storeIn } from "./support.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "shimmy-adapters-"));
});
afterEach(() => rm(root, { recursive: true }));

const at = (...names: string[]) => join(root, ...names);
async function pairs(catalogue = new Catalogue({ dirs: [root], files: [], maxAgeMs: -1 })) {
  return (await catalogue.adapters()).map(({ name, bases, pairedBy }) => [name, bases, pairedBy]);
}

test("by metadata: every quantisation of the base, and no other model", async () => {
  await writeModel(at("smol-q8.gguf"), modelNamed("SmolLM2 135M Instruct"));
  await writeModel(at("smollm2-135m-instruct-Q4_K_M.gguf"), modelNamed("whatever"));
  await writeModel(at("smollm2-135m.gguf"), modelNamed("SmolLM2 135M"));
  await writeModel(at("style.gguf"), loraFor("SmolLM2 135M Instruct"));
  expect(await pairs()).toEqual([["style", ["smol-q8", "smollm2-135m-instruct-q4-k-m"], "metadata"]]);
});

test("by the repository that the metadata names", async () => {
  await writeModel(at("SmolLM2-135M-Instruct-Q8_0.gguf"), modelNamed("x"));
  await writeModel(
    at("style.gguf"),
    loraFor(undefined, { "general.base_model.0.repo_url": "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct/" }),
  );
  expect(await pairs()).toEqual([["style", ["smollm2-135m-instruct-q8-0"], "metadata"]]);
});

test("by name, the nearest first, when the metadata names nothing that is here", async () => {
  await writeModel(at("phi-3-mini.gguf"), modelNamed("a"));
  await writeModel(at("phi-3-mini-instruct-q4_0.gguf"), modelNamed("b"));
  await writeModel(at("dolphin.gguf"), modelNamed("c"));
  await writeModel(at("phi-3-mini-instruct-lora.gguf"), loraFor("Some Private Finetune"));
  expect(await pairs()).toEqual([["phi-3-mini-instruct-lora", ["phi-3-mini-instruct-q4-0", "phi-3-mini"], "name"]]);
});

test("never with another architecture, and without a base it is listed all the same", async () => {
  await writeModel(at("phi.gguf"), modelNamed("Phi"));
  await writeModel(at("phi-lora.gguf"), loraFor("Phi", { "general.architecture": "phi3" }));
  const catalogue = new Catalogue({ dirs: [root], files: [] });
  expect(await catalogue.adapters()).toEqual([
    {
      name: "phi-lora",
      path: at("phi-lora.gguf"),
      source: root.split("/").at(-1),
      sizeBytes: expect.any(Number),
      architecture: "phi3",
      baseModel: "Phi",
      bases: [],
    },
  ]);
  expect(await ids(catalogue)).toEqual(["phi"]);
});

test("equal names get a number", async () => {
  await writeModel(at("a", "style.gguf"), loraFor("X"));
  await writeModel(at("b", "style.gguf"), loraFor("Y"));
  expect((await pairs()).map(([name]) => name)).toEqual(["style", "style-2"]);
});

test("an adapter layer of an Ollama manifest belongs to that model", async () => {
  const model = modelNamed("Llama 3");
  await ollamaModel(at(".ollama/models"), "registry.ollama.ai/library/llama3/latest", { model });
  await ollamaModel(at(".ollama/models"), "registry.ollama.ai/library/poet/latest", { model, adapter: loraFor("Llama 3") });
  const store = storeIn(root, "ollama");
  expect(await ids(store)).toEqual(["llama3:latest", "poet:latest"]);
  expect(await pairs(store)).toEqual([["poet-latest-adapter", ["poet:latest"], "manifest"]]);
  const poet = (await store.list())[1]!;
  expect(poet.defaults?.adapters).toEqual([(await store.adapters())[0]!.path]);
});

test("a LoRA that vanished is no adapter any more", async () => {
  const path = await writeModel(at("style.gguf"), loraFor("X"));
  const catalogue = new Catalogue({ dirs: [root], files: [], maxAgeMs: -1 });
  expect(await pairs(catalogue)).toHaveLength(1);
  await rm(path);
  expect(await pairs(catalogue)).toEqual([]);
});
