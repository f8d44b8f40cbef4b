/** What was set or chosen for a model is done, and is told: in the log, in the list of models, in the metrics. */
import { afterEach, expect, test } from "vitest";
import type { WireModel } from "../../src/protocols/openai/index.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { askJson, metric } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { tokenPrompt } from "../support/work.ts";

const folder = temporaryFolder();
let server: TestServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const answer = (server: TestServer, prompt: unknown = "What is the capital of France?") =>
  askJson(server, "/v1/completions", { model: "shimmy-tiny", prompt, temperature: 0, max_tokens: 8 });
const model = async (server: TestServer) => (await (await fetch(`${server.url}/v1/models/shimmy-tiny`)).json()) as WireModel;

test("auto: f16, and no flash attention for narrow heads; the list tells it once the model is loaded", async () => {
  server = await startServer();
  expect((await model(server)).meta).not.toHaveProperty("n_slots");
  await answer(server);
  expect((await model(server)).meta).toMatchObject({
    n_slots: 16,
    n_threads: 1,
    n_batch: 512,
    step_ms: 100,
    kv_type: "f16",
    kv_unified: expect.any(Boolean),
    kv_cells: expect.any(Number),
    kv_store_tokens: expect.any(Number),
    flash_attention: "off",
  });
  expect(server.stderr()).toMatch(
    /model loads .*KV cache in f16; flash attention auto; 1 thread: .*steps of at most 512 tokens and about 100 ms/,
  );
});

test("q8_0: half the memory, flash attention on, nearly the same answer", async () => {
  const chat = { model: "shimmy-tiny", messages: [{ role: "user", content: "What is the capital of France?" }], temperature: 0 };
  server = await startServer({ args: ["--kv-type", "q8_0", "--parallel", "2"] });
  const { json } = await askJson(server, "/v1/chat/completions", chat);
  expect(json.choices[0].message.content).toContain("Paris");
  expect((await model(server)).meta).toMatchObject({ kv_type: "q8_0", flash_attention: "on", n_slots: 2 });
  expect(server.stderr()).toContain("KV cache in q8_0: as set");
});

test("q8_0 without flash attention does not start, and says why", async () => {
  const { code, stderr } = await shimmy(["serve", "--bind", "127.0.0.1:0", "--kv-type", "q8_0", "--flash-attention", "off"], {
    cwd: folder,
  });
  expect(code).toBe(2);
  expect(stderr).toMatch(/--flash-attention: 'off' is not allowed: a KV cache of q8_0 \(kv_type\) can only be read with flash attention/);
});

test("the metrics tell what the engine holds, as it is when it rests", async () => {
  server = await startServer({ args: ["--parallel", "2"] });
  const running = server;
  const gauge = (name: string) => metric(running, `shimmy_${name}`, '{model="shimmy-tiny"}');
  const prompts = [0, 1, 2].map((i) => tokenPrompt(300).map((token) => token + i));
  await answer(running, prompts[0]);
  await until(async () => (await gauge("kv_cells_used")) >= 300);
  expect(await gauge("slots")).toBe(2);
  expect(await gauge("kv_cells")).toBeGreaterThanOrEqual(2048);
  expect(await gauge("engine_threads")).toBe(1);
  expect(await gauge("step_budget_tokens")).toBeGreaterThan(0);
  expect(await gauge("kv_store_tokens")).toBe(0);
  // A third conversation has no slot of its own: the oldest is put aside.
  for (const prompt of prompts.slice(1)) await answer(running, prompt);
  await until(async () => (await gauge("kv_store_tokens")) >= 300);
  expect(await gauge("kv_store_bytes")).toBeGreaterThan(300 * 2304);
});
