/** Adapters that nobody named: beside the models, and as a part of a model in a store. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { WireModel } from "../../src/protocols/openai/index.ts";
import { ollamaModel } from "../discovery/support.ts";
import { loraFor } from "../fixtures/lora.ts";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer, TINY } from "../support/server.ts";

const cwd = mkdtempSync(join(tmpdir(), "shimmy-lora-found-"));
const store = join(cwd, "ollama");
let server: TestServer;
beforeAll(async () => {
  mkdirSync(join(cwd, "models"));
  writeFileSync(join(cwd, "models", "tiny.gguf"), readFileSync(TINY));
  const base = { "general.base_model.count": 1, "general.base_model.0.name": "Shimmy Tiny" };
  writeFileSync(join(cwd, "models", "tiny-pirate-lora.gguf"), await loraFor(TINY, { metadata: base }));
  // A file of its own, for equal ones are one model.
  const model = Buffer.concat([readFileSync(TINY), Buffer.alloc(32)]);
  await ollamaModel(store, "registry.ollama.ai/library/sailor/latest", { model, adapter: await loraFor(TINY, { seed: 9 }) });
  server = await startServer({ cwd, env: { HOME: cwd, OLLAMA_MODELS: store } });
});
afterAll(async () => {
  await server.stop();
  rmSync(cwd, { recursive: true });
});

const ask = async (model: string) => {
  const body = { model, messages: [{ role: "user", content: "Tell me a story." }], temperature: 0, max_tokens: 24 };
  const { status, json } = await askJson(server, "/v1/chat/completions", body);
  expect(status, JSON.stringify(json)).toBe(200);
  return { model: json.model as string, text: json.choices[0].message.content as string };
};
const models = async () => ((await (await fetch(`${server.url}/v1/models`)).json()) as { data: WireModel[] }).data;

test("an adapter beside the models is listed under the model that it was made for, and answers", async () => {
  const adapted = (await models()).find(({ parent }) => parent === "tiny")!;
  expect(adapted.id).toMatch(/^tiny\+.*pirate/);
  const [plain, changed] = [await ask("tiny"), await ask(adapted.id)];
  expect(changed.model).toBe(adapted.id);
  expect(changed.text).not.toBe(plain.text);
});

test("a model of Ollama with an adapter is that model with the adapter, under its own name", async () => {
  const sailor = (await models()).find(({ id }) => id.includes("sailor"))!;
  const [plain, changed] = [await ask("tiny"), await ask(sailor.id)];
  expect(changed.model).toBe(sailor.id);
  expect(changed.text).not.toBe(plain.text);
});
