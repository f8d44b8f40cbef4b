/** T24: what the authors of a model say of sampling holds until a request says otherwise. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withMetadata, writeModel } from "../fixtures/gguf.ts";
import { shimmy } from "../support/command.ts";
import { startServer, type TestServer, TINY, until } from "../support/server.ts";
import { wholeCompletion } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-test-"));
const store = join(folder, "ollama");
const f32 = (value: number) => ({ type: "f32", value }) as const;
const u32 = (value: number) => ({ type: "u32", value }) as const;

let server: TestServer;
beforeAll(async () => {
  const tiny = readFileSync(TINY);
  await writeModel(join(folder, "greedy.gguf"), withMetadata(tiny, { "general.sampling.temp": f32(0) }));
  const wild = {
    "general.sampling.temp": f32(2),
    "general.sampling.top_p": f32(1),
    "general.sampling.min_p": f32(0),
    "general.sampling.top_k": u32(0),
  };
  await writeModel(join(folder, "wild.gguf"), withMetadata(tiny, wild));
  const broken = { "general.sampling.temp": f32(-3), "general.sampling.top_p": f32(Number.NaN) };
  await writeModel(join(folder, "broken.gguf"), withMetadata(tiny, broken));
  await writeOllama(withMetadata(tiny, { "general.sampling.temp": f32(2) }), { temperature: 0, stop: ["fox"], num_predict: 9 });
  server = await startServer({ args: ["--threads", "1", "--model-dirs", folder], env: { OLLAMA_MODELS: store } });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A model of an Ollama store with parameters, as `ollama create` writes it. */
async function writeOllama(weights: Buffer, parameters: object): Promise<void> {
  const layer = async (type: string, content: Buffer) => {
    const hex = createHash("sha256").update(content).digest("hex");
    await mkdir(join(store, "blobs"), { recursive: true });
    await writeFile(join(store, "blobs", `sha256-${hex}`), content);
    return { mediaType: `application/vnd.ollama.image.${type}`, digest: `sha256:${hex}`, size: content.length };
  };
  const layers = [await layer("model", weights), await layer("params", Buffer.from(JSON.stringify(parameters)))];
  const manifests = join(store, "manifests", "registry.ollama.ai", "library", "tale");
  await mkdir(manifests, { recursive: true });
  await writeFile(join(manifests, "latest"), JSON.stringify({ schemaVersion: 2, layers }));
}

const tale = { prompt: "Once upon a time there was", max_tokens: 12 };
const text = async (model: string, fields: object = {}) => (await wholeCompletion(server, { model, ...tale, ...fields })).choices[0]!.text;

describe("T24 a file's general.sampling.*", () => {
  test("of temperature 0 gives the greedy answer every time", async () => {
    const greedy = await text("wild", { temperature: 0 });
    for (let i = 0; i < 3; i++) expect(await text("greedy")).toBe(greedy);
  });

  test("gives way to what the request says", async () => {
    const drawn = new Set(await Promise.all([1, 2, 3, 4].map((seed) => text("greedy", { temperature: 2, top_p: 1, min_p: 0, seed }))));
    expect(drawn.size).toBeGreaterThan(1);
  });

  test("of all parameters is what a request with the same ones gets", async () => {
    const same = { temperature: 2, top_p: 1, min_p: 0, top_k: 0, seed: 5 };
    expect(await text("wild", { seed: 5 })).toBe(await text("greedy", same));
    expect(await text("wild", { seed: 5 })).not.toBe(await text("greedy", { ...same, temperature: 1 }));
  });

  test("that is out of range counts as none, with a warning", async () => {
    const plain = { temperature: 0.8, top_p: 0.95, seed: 5 };
    expect(await text("broken", { seed: 5 })).toBe(await text("wild", { min_p: 0.05, top_k: 40, ...plain }));
    await until(() => server.stderr().includes("out of range"));
    expect(server.stderr()).toContain("general.sampling.temp, general.sampling.top_p");
  });
});

describe("T24 the parameters of an Ollama model", () => {
  test("come before its file's, and give way to the request", async () => {
    const greedy = await text("greedy");
    expect(greedy.startsWith(await text("tale"))).toBe(true);
    const drawn = new Set(await Promise.all([1, 2, 3, 4].map((seed) => text("tale", { temperature: 2, top_p: 1, min_p: 0, seed }))));
    expect(drawn.size).toBeGreaterThan(1);
  });

  test("limit the answer and stop it, where the request says nothing of that", async () => {
    const free = { model: "tale", prompt: "Tell me a story about a", echo: false };
    const answer = await wholeCompletion(server, free);
    expect(answer.usage!.completion_tokens).toBeLessThanOrEqual(9);
    expect(answer.choices[0]!.text).not.toContain("fox");
    const named = { model: "tale", prompt: "The quick brown fox. The quick brown", temperature: 0, logit_bias: {} };
    expect((await wholeCompletion(server, { ...named, max_tokens: 11, stop: ["never written"] })).usage!.completion_tokens).toBe(11);
  });
});

test("T24 they are shown: shimmy show, and GET /api/models/{name}", async () => {
  const { stdout } = await shimmy(["show", "greedy", "--model-dirs", folder], { cwd: folder });
  expect(stdout).toMatch(/sampling +temperature 0, top_p 0\.9\n/);
  const broken = await shimmy(["show", "broken", "--model-dirs", folder], { cwd: folder });
  expect(broken.stdout).toContain("out of range and ignored: general.sampling.temp, general.sampling.top_p");
  const told = (await (await fetch(`${server.url}/api/models/tale`)).json()) as { sampling: object };
  expect(told.sampling).toEqual({ temperature: 0, top_p: 0.9, stop: ["fox"], max_tokens: 9 });
});
