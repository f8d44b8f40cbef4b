/** `shimmy discover`, and `POST /api/models/discover` of a running server. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeModel } from "../fixtures/gguf.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { post, startServer, type TestServer } from "../support/server.ts";
import { loraFor, modelNamed, ollamaModel } from "./support.ts";

/** The fields of several answers that are looked at here. */
interface Answer {
  readonly new: readonly string[];
  readonly gone: readonly string[];
  readonly models: readonly unknown[];
  readonly places: readonly unknown[];
  readonly data: ReadonlyArray<{ readonly id: string }>;
  readonly error: { readonly message: string };
}

const home = temporaryFolder();
const at = (...names: string[]) => join(home, ...names);

beforeAll(async () => {
  await writeModel(at("models", "tiny-a.gguf"), modelNamed("Tiny A"));
  await writeModel(at("models", "style.gguf"), loraFor("Tiny A"));
  await writeModel(at("models", "broken.gguf"), Buffer.from("GGUF"));
  await ollamaModel(at(".ollama/models"), "registry.ollama.ai/library/llama3/latest", { model: modelNamed("Llama 3") });
});

describe("shimmy discover", () => {
  test("every place, what is there, and why a file was skipped", async () => {
    const { code, stdout, stderr } = await shimmy(["discover"], { cwd: home });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(
      `models: ${at("models")} (1 model)\n  tiny-a [2 kB]\n  style [LoRA adapter, 2 kB] for tiny-a\n  skipped broken.gguf: `,
    );
    expect(stdout).toContain(`ollama: ${at(".ollama/models")} (1 model)\n  llama3:latest [2 kB] also llama3\n`);
    expect(stdout).toContain(`hugging-face: ${at(".cache/huggingface/hub")} (not there)\n`);
    expect(stdout).toMatch(/\n3 models, 1 LoRA adapter\n$/);
  });

  test("--json for programs", async () => {
    const { stdout } = await shimmy(["discover", "--json"], { cwd: home });
    const found = JSON.parse(stdout);
    expect(found.places).toContainEqual({
      label: "models",
      path: at("models"),
      exists: true,
      models: ["tiny-a"],
      adapters: ["style"],
      skipped: expect.arrayContaining([{ path: at("models", "broken.gguf"), reason: expect.any(String) }]),
    });
    expect(found.models.map(({ id }: { id: string }) => id)).toEqual(["tiny-a", "llama3:latest", "shimmy-tiny"]);
  });

  test("--model-stores off looks into no other program's store, a list into those", async () => {
    const off = await shimmy(["discover", "--model-stores", "off"], { cwd: home });
    expect(off.stdout).not.toContain("ollama");
    const some = await shimmy(["list", "--short"], { cwd: home, env: { SHIMMY_MODEL_STORES: "jan,ollama" } });
    expect(some.stdout).toBe("tiny-a\nllama3:latest\nshimmy-tiny\n");
    const wrong = await shimmy(["list", "--model-stores", "olama"], { cwd: home });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("hugging-face")]);
  });
});

describe("POST /api/models/discover", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ cwd: home });
  });
  afterAll(() => server.stop());
  const json = async (response: Response) => (await response.json()) as Answer;
  const discover = async () => json(await post(server, "/api/models/discover", {}));

  test("what was found, what is new and gone, what was skipped, and never a path", async () => {
    const first = await discover();
    expect(first).toMatchObject({
      discovered: 3,
      new: ["tiny-a", "llama3:latest", "shimmy-tiny"],
      gone: [],
      adapters: [{ name: "style", base_model: "Tiny A", fits: ["tiny-a"] }],
    });
    expect(first.models[1]).toMatchObject({ name: "llama3:latest", aliases: ["llama3"], source: "ollama", model_type: "llama" });
    expect(first.places).toContainEqual({
      place: "models",
      models: ["tiny-a"],
      adapters: ["style"],
      skipped: [{ file: "broken.gguf", reason: expect.any(String) }],
    });
    await mkdir(at("models", "new"));
    await writeModel(at("models", "new", "fresh.gguf"), modelNamed("fresh"));
    await rm(at("models", "tiny-a.gguf"));
    const second = await discover();
    expect([second.new, second.gone]).toEqual([["fresh"], ["tiny-a"]]);
    expect(JSON.stringify([first, second])).not.toContain(home);
    const listed = await json(await fetch(`${server.url}/v1/models`));
    expect(listed.data.map(({ id }) => id)).toEqual(["fresh", "llama3:latest", "shimmy-tiny"]);
  });

  test("an alias leads to its model", async () => {
    const body = { model: "LLAMA3", messages: [{ role: "user", content: "hi" }], max_tokens: 1 };
    const response = await post(server, "/v1/chat/completions", body);
    // The fixture has no weights that libllama takes: what matters is which model was tried.
    expect((await json(response)).error.message).toContain("'llama3:latest'");
  });
});
