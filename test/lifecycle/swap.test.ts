/** More models than there is room for: they take turns, what runs is finished first, nobody is lost and nobody waits for ever. */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askJson, begin, load, metric } from "../support/raw.ts";
import { NO_SHARED, SMOLLM2, startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";
import { folderOf, loadedModels, ps, short } from "./support.ts";

let folder: ReturnType<typeof folderOf>;
let server: TestServer;
beforeEach(() => {
  folder = folderOf("first", "second");
});
afterEach(async () => {
  await server.stop();
  folder.remove();
});
const start = async (...args: string[]) => {
  server = await startServer({ args: ["--model-dirs", folder.path, "--strict-models", ...args] });
};
const unloads = (reason: string) => metric(server, "shimmy_model_unloads_total", `{model="first",reason="${reason}"}`);

const FRANCE = { messages: [{ role: "user", content: "What is the capital of France?" }], temperature: 0, max_tokens: 16 };

test.skipIf(NO_SHARED)(
  "three real models under load with room for two: every request is answered, and well",
  async () => {
    symlinkSync(SMOLLM2, join(folder.path, "smollm2.gguf"));
    await start("--memory-budget", "420MB");
    const models = ["first", "second", "smollm2"];
    const asked = Array.from({ length: 36 }, (_, i) => models[(i * 7 + Math.floor(i / 5)) % 3]!);
    let over = 0;
    let most = 0;
    let done = false;
    const watching = (async () => {
      while (!done) {
        const { memory } = await ps(server);
        if (memory.used_bytes > memory.budget_bytes) over++;
        most = Math.max(most, (await server.engines()).length);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const answers: Array<{ model: string; status: number; text: string }> = [];
    const worker = async () => {
      for (let model = asked.pop(); model; model = asked.pop()) {
        const { status, json } = await askJson(server, "/v1/chat/completions", { ...FRANCE, model });
        answers.push({ model, status, text: json.choices?.[0].message.content ?? JSON.stringify(json) });
      }
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    done = true;
    await watching;
    expect(answers).toHaveLength(36);
    for (const { model, status, text } of answers)
      expect([model, status, text]).toEqual([
        model,
        200,
        expect.stringMatching(model === "smollm2" ? /\w/ : /^The capital of France is Paris/),
      ]);
    expect(over).toBe(0);
    expect(most).toBeLessThanOrEqual(2);
    let swaps = 0;
    for (const model of models) swaps += await metric(server, "shimmy_model_unloads_total", `{model="${model}",reason="room"}`);
    expect(swaps).toBeGreaterThan(0);
    expect(await loadedModels(server)).toHaveLength(2);
  },
  180_000,
);

test("a model that works is finished first, and the newcomer waits for it", async () => {
  await start("--max-loaded-models", "1", ...WIDE);
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, model: "first", max_tokens: 800, stream: true });
  await until(() => stream.received().includes("data: "));
  const { status } = await short(server, "second");
  expect(status).toBe(200);
  await until(() => stream.received().includes("[DONE]"));
  expect(stream.received()).toContain('"finish_reason":"length"');
  expect(await loadedModels(server)).toEqual(["second"]);
  expect(await unloads("room")).toBe(1);
}, 60_000);

test("a model that is asked without a pause does not starve the others", async () => {
  await start("--max-loaded-models", "1");
  expect((await short(server, "first")).status).toBe(200);
  let done = false;
  const statuses: number[] = [];
  const busy = Array.from({ length: 5 }, async () => {
    while (!done) statuses.push((await askJson(server, "/v1/completions", { ...ENDLESS, model: "first", max_tokens: 150 })).status);
  });
  const { status } = await short(server, "second");
  done = true;
  await Promise.all(busy);
  expect(status).toBe(200);
  expect(new Set(statuses)).toEqual(new Set([200]));
}, 60_000);

test("whoever waits longer than --max-queue-time is told so, with a time to come back; the work goes on", async () => {
  await start("--max-loaded-models", "1", "--max-queue-time", "1s", ...WIDE);
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, model: "first", stream: true });
  await until(() => stream.received().includes("data: "));
  const answer = await short(server, "second");
  expect([answer.status, answer.json.error.code]).toEqual([503, "model_no_room"]);
  expect(answer.json.error.message).toMatch(
    /about \d+ MiB, the memory budget is \d+ MiB, and after 1 s others are still at work \(first\)/,
  );
  expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  expect((await load(server, "first")).running).toBe(1);
  stream.destroy();
}, 60_000);

test("a client that leaves while its model waits for room takes the load with it", async () => {
  await start("--max-loaded-models", "1", ...WIDE);
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, model: "first", stream: true });
  await until(() => stream.received().includes("data: "));
  const leaving = await begin(server, "/v1/completions", { ...ENDLESS, model: "second" });
  await until(async () => (await ps(server)).models.length === 2);
  leaving.destroy();
  await until(async () => (await ps(server)).models.length === 1);
  stream.destroy();
}, 60_000);

test("the least recently used idle model makes room", async () => {
  await start("--memory-budget", "240MB");
  for (const model of ["first", "second", "first", "shimmy-tiny"]) expect((await short(server, model)).status).toBe(200);
  expect((await loadedModels(server)).sort()).toEqual(["first", "shimmy-tiny"]);
});

test("a model can be pinned by an alias", async () => {
  await start("--alias", "favourite=first", "--pin", "favourite");
  expect((await short(server, "first")).status).toBe(200);
  expect((await ps(server)).models).toMatchObject([{ model: "first", pinned: true }]);
});

test("a pinned model never makes room, and no keep_alive ends it; who needs its room is told at once", async () => {
  await start("--max-loaded-models", "1", "--pin", "first");
  expect((await short(server, "first", { keep_alive: 0 })).status).toBe(200);
  const { status, json } = await short(server, "second");
  expect([status, json.error.code]).toEqual([503, "model_no_room"]);
  expect(json.error.message).toContain("pinned");
  expect((await ps(server)).models).toMatchObject([{ model: "first", pinned: true, expires_at: null }]);
});

test("a model larger than the budget is tried while the machine may hold it, alone", async () => {
  await start("--memory-budget", "50MB");
  expect((await short(server, "first")).status).toBe(200);
  expect((await short(server, "second")).status).toBe(200);
  expect(await loadedModels(server)).toEqual(["second"]);
});
