/** Each store read from a layout as its program writes it: names, metadata beside the weights, and what is left out with a reason. */
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Catalogue } from "../../src/models/catalogue.ts";
import { tinyModel, writeModel } from "../fixtures/gguf.ts";
import { hubFile, hubRef, ids, loraFor, modelNamed, ollamaModel, reasons, storeIn } from "./support.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "shimmy-stores-"));
});
afterEach(() => rm(home, { recursive: true }));

const at = (...names: string[]) => join(home, ...names);
const part = (no: number, name: string) =>
  tinyModel(
    { "split.no": { type: "u16", value: no }, "split.count": { type: "u16", value: 2 }, "general.name": name },
    // No tensor is in two parts.
    no === 0 ? {} : { tensors: [{ name: "more", dims: [32] }] },
  );

describe("Ollama", () => {
  const root = () => at(".ollama", "models");

  test("names are those of `ollama list`, and the layers beside the weights come along", async () => {
    const weights = await ollamaModel(root(), "registry.ollama.ai/library/llama3/latest", {
      model: modelNamed("Llama 3"),
      template: "{{ .System }}{{ .Prompt }}",
      system: "You are brief.",
      params: { temperature: 0.5, stop: ["<|eot|>"], num_ctx: 4096, nested: { not: "a parameter" } },
      projector: tinyModel({ "general.architecture": "clip" }),
    });
    await ollamaModel(root(), "registry.ollama.ai/mattw/pygmalion/7b", { model: modelNamed("Pygmalion") });
    await ollamaModel(root(), "hf.co/bartowski/Some-Model-GGUF/Q4_K_M", { model: modelNamed("Some") });
    const store = storeIn(home, "ollama");
    expect(await ids(store)).toEqual(["hf.co/bartowski/Some-Model-GGUF:Q4_K_M", "llama3:latest", "mattw/pygmalion:7b"]);
    const llama = (await store.list()).find(({ id }) => id === "llama3:latest")!;
    expect(llama).toMatchObject({
      source: "ollama",
      path: weights,
      aliases: ["llama3"],
      defaults: {
        template: "{{ .System }}{{ .Prompt }}",
        system: "You are brief.",
        parameters: { temperature: 0.5, stop: ["<|eot|>"], num_ctx: 4096 },
        projectors: [expect.stringContaining("sha256-")],
      },
    });
    expect(await store.verify(llama)).toEqual(llama);
  });

  test("tags of one digest are one model with aliases; another system message makes another model of the same file", async () => {
    const model = modelNamed("Llama 3");
    for (const tag of ["8b", "latest", "8b-instruct"]) await ollamaModel(root(), `registry.ollama.ai/library/llama3/${tag}`, { model });
    await ollamaModel(root(), "registry.ollama.ai/library/pirate/latest", { model, system: "Arr." });
    const models = await storeIn(home, "ollama").list();
    expect(models.map(({ id, aliases }) => [id, aliases])).toEqual([
      ["llama3:latest", ["llama3:8b", "llama3:8b-instruct", "llama3"]],
      ["pirate:latest", ["pirate"]],
    ]);
    expect(new Set(models.map(({ path }) => path)).size).toBe(1);
    expect(models[1]!.defaults).toEqual({ system: "Arr." });
  });

  test("what cannot be served is told: unfinished pulls, other formats, broken manifests, digests that are paths", async () => {
    const weights = await ollamaModel(root(), "registry.ollama.ai/library/gone/latest", { model: modelNamed("gone") });
    await rm(weights);
    const manifest = (name: string, content: string) =>
      writeModel(join(root(), "manifests/registry.ollama.ai/library", name, "latest"), Buffer.from(content));
    const layer = (mediaType: string, digest: string) =>
      JSON.stringify({ layers: [{ mediaType: `application/vnd.ollama.image.${mediaType}`, digest }] });
    await manifest("mlx", layer("tensor", `sha256:${"a".repeat(64)}`));
    await manifest("broken", "{");
    await manifest("evil", layer("model", "sha256:../../../../etc/passwd"));
    await writeFile(at("secret.gguf"), modelNamed("secret"));
    const store = storeIn(home, "ollama");
    expect(await ids(store)).toEqual([]);
    const told = Object.fromEntries(store.skipped().map(({ path, reason }) => [dirname(path).split("/").at(-1), reason]));
    expect(told).toEqual({
      gone: "the file of its weights is not there (an unfinished pull?)",
      mlx: "its weights are no GGUF file (tensor layers)",
      broken: "not an Ollama manifest",
      evil: "the manifest names no model file",
    });
  });

  test("a folder that was named is read as the Ollama store that it is", async () => {
    await ollamaModel(at("store"), "registry.ollama.ai/library/qwen3/0.6b", { model: modelNamed("Qwen3") });
    expect(await ids(new Catalogue({ dirs: [at("store")], files: [] }))).toEqual(["qwen3:0.6b"]);
  });

  test("a link in a folder and the blob it leads to are one model, told by both names", async () => {
    const weights = await ollamaModel(root(), "registry.ollama.ai/library/llama3/latest", { model: modelNamed("x"), params: { top_k: 3 } });
    await mkdir(at("mine"));
    await symlink(weights, at("mine", "my-llama.gguf"));
    const [model, ...others] = await storeIn(home, "ollama", { dirs: [at("mine")] }).list();
    expect(others).toEqual([]);
    expect(model).toMatchObject({ id: "my-llama", aliases: ["llama3:latest", "llama3"], defaults: { parameters: { top_k: 3 } } });
  });
});

describe("the hub's cache", () => {
  const hub = () => at(".cache", "huggingface", "hub");

  test("the revision of refs/main, through the links, named by file and by owner/repository:quantisation", async () => {
    const repository = "bartowski/SmolLM2-GGUF";
    await hubFile(hub(), repository, "a".repeat(40), "SmolLM2-Q8_0.gguf", modelNamed("old"));
    await hubFile(hub(), repository, "b".repeat(40), "SmolLM2-Q8_0.gguf", modelNamed("new", { "general.file_type": 7 }));
    await hubFile(hub(), repository, "b".repeat(40), "SmolLM2-Q4_K_M.gguf", modelNamed("new", { "general.file_type": 15 }));
    await hubFile(hub(), repository, "b".repeat(40), "mmproj-f16.gguf", tinyModel({ "general.architecture": "clip" }));
    await hubRef(hub(), repository, "b".repeat(40));
    await mkdir(join(hub(), "datasets--x--y", "snapshots", "c"), { recursive: true });
    const store = storeIn(home, "hugging-face");
    expect((await store.list()).map(({ id, aliases, source, path }) => [id, aliases, source, path.includes("b".repeat(40))])).toEqual([
      ["smollm2-q4-k-m", [`${repository}:Q4_K_M`, repository], "hugging-face", true],
      ["smollm2-q8-0", [`${repository}:Q8_0`], "hugging-face", true],
    ]);
    expect(reasons(store)).toEqual({ "mmproj-f16.gguf": "a vision or audio projector (mmproj), not a model" });
  });

  test("without refs/main the newest revision; shards in a folder are one", async () => {
    const old = await hubFile(hub(), "o/r", "a".repeat(40), "old.gguf", modelNamed("old"));
    await hubFile(hub(), "o/r", "b".repeat(40), "Q8/big-00001-of-00002.gguf", part(0, "x"));
    await hubFile(hub(), "o/r", "b".repeat(40), "Q8/big-00002-of-00002.gguf", part(1, "x"));
    await utimes(dirname(old), new Date(0), new Date(0));
    const store = storeIn(home, "hugging-face");
    expect(await ids(store)).toEqual(["big"]);
    expect(store.skipped()).toEqual([]);
  });

  test("a ref that is no revision here leads nowhere else", async () => {
    await hubFile(hub(), "o/r", "a".repeat(40), "a.gguf", modelNamed("a"));
    await hubFile(hub(), "o/r", "b".repeat(40), "b.gguf", modelNamed("b"));
    await writeModel(at("outside", "c.gguf"), modelNamed("c"));
    await hubRef(hub(), "o/r", "../../../../../outside");
    expect(await ids(storeIn(home, "hugging-face"))).not.toContain("c");
  });

  test("file names that say nothing take the repository's", async () => {
    await hubFile(hub(), "a/Foo-GGUF", "a".repeat(40), "ggml-model-q4_0.gguf", modelNamed("foo"));
    await hubFile(hub(), "b/Bar", "a".repeat(40), "model.gguf", modelNamed("bar"));
    await hubFile(hub(), "c/X", "a".repeat(40), "same.gguf", modelNamed("x"));
    await hubFile(hub(), "d/Y", "a".repeat(40), "same.gguf", modelNamed("y"));
    expect(await ids(storeIn(home, "hugging-face"))).toEqual(["foo-q4-0", "bar", "same", "y-same"]);
  });

  test("a folder that was named is read as the cache that it is", async () => {
    await hubFile(at("hub"), "o/r", "a".repeat(40), "x.gguf", modelNamed("x"));
    const [model] = await new Catalogue({ dirs: [at("hub")], files: [] }).list();
    expect([model!.id, model!.aliases]).toEqual(["x", ["o/r:F32", "o/r"]]);
  });
});

test("LM Studio: publisher/repository/file, unfinished downloads left out", async () => {
  await writeModel(at(".lmstudio/models/lmstudio-community/Qwen3-GGUF/Qwen3-Q8_0.gguf"), modelNamed("q"));
  await writeModel(at(".cache/lm-studio/models/old/Repo/older.gguf"), modelNamed("old"));
  await writeModel(at(".lmstudio/models/a/b/downloading_x.gguf.part"), modelNamed("x"));
  const models = await storeIn(home, "lm-studio").list();
  expect(models.map(({ id, source, aliases }) => [id, source, aliases?.[1]])).toEqual([
    ["qwen3-q8-0", "lm-studio", "lmstudio-community/Qwen3-GGUF"],
    ["older", "lm-studio", "old/Repo"],
  ]);
});

test("llama.cpp: the manifest beside it tells where a file's own name begins", async () => {
  const cache = at(".cache", "llama.cpp");
  await writeModel(join(cache, "ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q4_K_M.gguf"), modelNamed("g"));
  await writeFile(join(cache, "ggml-org_gemma-3-1b-it-GGUF_gemma-3-1b-it-Q4_K_M.gguf.etag"), "x");
  await writeFile(join(cache, "manifest=ggml-org=gemma-3-1b-it-GGUF=latest.json"), "{}");
  await writeModel(join(cache, "other_file.gguf"), modelNamed("o"));
  const models = await storeIn(home, "llama-cpp").list();
  expect(models.map(({ id, aliases }) => [id, aliases?.at(-1)])).toEqual([
    ["gemma-3-1b-it-q4-k-m", "ggml-org/gemma-3-1b-it-GGUF"],
    ["other-file", undefined],
  ]);
});

test("Jan: the folder is the name, and model.yml may lead to a file elsewhere", async () => {
  const models = at(".local/share/Jan/data/llamacpp/models");
  await writeModel(join(models, "Menlo", "Jan-nano-Q4", "model.gguf"), modelNamed("nano"));
  await writeFile(join(models, "Menlo", "Jan-nano-Q4", "model.yml"), "model_path: llamacpp/models/Menlo/Jan-nano-Q4/model.gguf\n");
  await writeModel(at("downloads", "imported.gguf"), modelNamed("imported"));
  await writeModel(join(models, "imported-one", "model.yml"), Buffer.from(`name: x\nmodel_path: "${at("downloads", "imported.gguf")}"\n`));
  await writeModel(join(models, "lost", "model.yml"), Buffer.from("model_path: /nowhere/x.gguf\n"));
  await writeModel(at("jan/models/trinity-v1/trinity-v1.Q4_K_M.gguf"), modelNamed("trinity"));
  const store = storeIn(home, "jan");
  expect((await store.list()).map(({ id, source, aliases }) => [id, source, aliases])).toEqual([
    ["jan-nano-q4", "jan", ["Menlo/Jan-nano-Q4"]],
    ["imported-one", "jan", undefined],
    ["trinity-v1.q4-k-m", "jan", undefined],
  ]);
  expect(reasons(store)).toEqual({ "model.yml": "the file that its model_path names is not there" });
});

describe("folders", () => {
  test("what is no model is skipped with its reason", async () => {
    await writeModel(at("models", "mmproj.gguf"), tinyModel({ "general.type": "mmproj" }));
    await writeModel(at("models", "imatrix.gguf"), tinyModel({ "general.type": "imatrix" }));
    await writeModel(at("models", "vocab.gguf"), tinyModel({}, { tensors: [] }));
    await writeModel(at("models", "lora.gguf"), loraFor("Nothing Here"));
    await writeModel(at("models", "half-00002-of-00002.gguf"), part(1, "x"));
    await truncate(await writeModel(at("models", "cut.gguf")), 100);
    const store = storeIn(home, "home");
    expect(await ids(store)).toEqual([]);
    expect(reasons(store)).toEqual({
      "mmproj.gguf": "a vision or audio projector (mmproj), not a model",
      "imatrix.gguf": "an importance matrix (imatrix), not a model",
      "vocab.gguf": "vocabulary only: it has no tensors",
      "lora.gguf": "a LoRA adapter, not a model",
      "half-00002-of-00002.gguf": "part 2 of 2 of a split model: the first part stands for it",
      "cut.gguf": expect.stringMatching(/^truncated/),
    });
  });

  test("links in a circle end, and folders too deep are counted, not searched", async () => {
    await writeModel(at("models", "a", "x.gguf"));
    await symlink(at("models"), at("models", "a", "up"));
    await symlink(at("models", "a"), at("models", "b"));
    await symlink(at("models", "self"), at("models", "self"));
    await mkdir(at("models", "1", "2", "3", "4", "5"), { recursive: true });
    const store = storeIn(home, "home");
    expect(await ids(store)).toEqual(["x"]);
    expect(reasons(store)).toEqual({ models: "folders more than 4 levels down are not searched (1)" });
  });

  test("equal names are told apart, and told", async () => {
    await ollamaModel(at(".ollama/models"), "registry.ollama.ai/library/x/latest", { model: modelNamed("one") });
    await ollamaModel(at("other"), "registry.ollama.ai/library/x/latest", { model: modelNamed("two") });
    await writeModel(at("a", "same.gguf"), modelNamed("a"));
    await writeModel(at("b", "same.gguf"), modelNamed("b"));
    const told: string[] = [];
    const store = storeIn(home, "ollama", {
      dirs: [at("other"), at("a"), at("b")],
      onEqualName: ({ id, wanted }) => told.push(`${wanted} → ${id}`),
    });
    expect(await ids(store)).toEqual(["x:latest", "same", "b-same", "ollama/x:latest"]);
    expect(told).toEqual(["same → b-same", "x:latest → ollama/x:latest"]);
    await store.list();
    expect(told).toHaveLength(2);
  });

  test("a store is never written", async () => {
    const model = { model: modelNamed("x"), template: "t" };
    await ollamaModel(at(".ollama/models"), "registry.ollama.ai/library/x/latest", model);
    const before = await readdir(home, { recursive: true });
    await ids(storeIn(home, "auto"));
    expect(await readdir(home, { recursive: true })).toEqual(before);
  });
});
