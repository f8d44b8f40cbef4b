/** Engines that fail: at the start, while loading, before their first answer. Told with their last words, then a rest, never a loop. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Config, SETTINGS } from "../../src/config/table.ts";
import type { GenerationRequest } from "../../src/contract/generation.ts";
import type { ModelInfo } from "../../src/contract/model.ts";
import { Catalogue, type CatalogueOptions } from "../../src/models/catalogue.ts";
import { Pool } from "../../src/pool/pool.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { isGone } from "../support/process.ts";
import { TINY, until } from "../support/server.ts";

const DEFAULTS = Object.fromEntries(Object.entries(SETTINGS).map(([key, setting]) => [key, setting.default])) as unknown as Config;
const READY = `process.send({ type: "ready", contextPerSequence: 100, flashAttention: "auto", vocabSize: 10, bosText: "", eosText: "",
  controlTexts: [], loadMs: 0, state: { cellsUsed: 0, storedTokens: 0, storedBytes: 0, threads: 1, stepTokens: 0, draftedTokens: 0, acceptedTokens: 0 } });`;

let folder: string;
let pool: Pool;
let lines: string[];
let list: () => Promise<readonly ModelInfo[]>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-failure-"));
  copyFileSync(TINY, join(folder, "model.gguf"));
  lines = [];
});
afterEach(async () => {
  await pool.stop();
  rmSync(folder, { recursive: true });
});

/** A pool whose engines run this code when they are told to load, and leave their pid. */
async function poolOf(onLoad: string, more: Partial<Config> = {}, beforeLoad?: CatalogueOptions["beforeLoad"]): Promise<ModelInfo> {
  const engineEntry = join(folder, "engine.mjs");
  const log = `import { appendFileSync } from "node:fs"; appendFileSync(${JSON.stringify(join(folder, "pids"))}, process.pid + "\\n");`;
  writeFileSync(
    engineEntry,
    `${log}\nprocess.on("disconnect", () => process.exit(0));\nprocess.on("message", (message) => { ${onLoad} });\n`,
  );
  const catalogue = new Catalogue({ dirs: [folder], files: [], maxAgeMs: 0, ...(beforeLoad && { beforeLoad }) });
  const metrics = new Metrics({ version: "0", models: () => pool.gauges() });
  const settings = { ...DEFAULTS, ...more, isolateCallers: false };
  list = () => catalogue.list();
  pool = new Pool({
    catalogue,
    settings,
    metrics,
    engineEntry,
    enginesFolder: join(folder, "engines"),
    log: createLogger({ level: "debug", format: "text", write: (line) => lines.push(line) }),
  });
  return (await catalogue.list())[0]!;
}

/** @returns the text, or the error. */
async function answer(info: ModelInfo, more: Partial<GenerationRequest> = {}): Promise<unknown> {
  const request = { id: "1", model: info.id, prompt: { kind: "tokens", tokens: [1] }, choices: 1, stop: [], sampling: {}, ...more };
  let text = "";
  try {
    const events = pool.generate({ info, via: "exact" }, request as unknown as GenerationRequest, new AbortController().signal);
    for await (const event of events) if (event.type === "text") text += event.text;
    return text;
  } catch (error) {
    return error;
  }
}

const ANSWER = `const events = [{ type: "started", promptTokens: 1 }, { type: "text", choice: 0, text: "word", tokens: 1 },
  { type: "finished", choice: 0, reason: "stop", completionTokens: 1, cachedTokens: 0, timings: { queueMs: 0, promptMs: 0, predictedMs: 0 } }];
  process.send({ type: "events", waiting: 0, running: 0, events: events.map((event) => ({ id: message.id, event })) });`;

function pids(): number[] {
  const path = join(folder, "pids");
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").map(Number) : [];
}

test("a load that fails tells the engine's last lines without folders; until the rest is over nothing is started", async () => {
  const info = await poolOf(
    `process.stderr.write("one\\ntwo\\nggml: cannot map " + message.options.path + "\\nGGML_ASSERT failed\\n", () => process.exit(7));`,
  );
  const first = await pool.load(info).catch((error: unknown) => error);
  expect(first).toMatchObject({ code: "model_load_failed", status: 503, details: { retry_after: 1 } });
  expect(String(first)).toContain("exit code 7: two | ggml: cannot map model.gguf | GGML_ASSERT failed");
  expect(String(first)).not.toContain(folder);
  for (let i = 0; i < 5; i++) {
    const again = await pool.load(info).catch((error: unknown) => error);
    expect(again).toMatchObject({ code: "model_load_failed", message: (first as Error).message, details: { retry_after: 1 } });
  }
  expect(pids()).toHaveLength(1);
  expect(await pool.lifecycle.status(info.id)).toMatchObject({
    state: "failed",
    failure: { code: "model_load_failed", retryAfterSeconds: 1 },
  });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(await pool.load(info).catch((error: unknown) => error)).toMatchObject({ details: { retry_after: 2 } });
  expect(pids()).toHaveLength(2);
});

test("many at once share one failed start", async () => {
  const info = await poolOf("process.exit(7);");
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => pool.load(info)));
  expect(all.every(({ status }) => status === "rejected")).toBe(true);
  expect(pids()).toHaveLength(1);
});

test("a file that has changed since it failed is tried at once", async () => {
  const info = await poolOf("process.exit(7);");
  await pool.load(info).catch(() => undefined);
  utimesSync(join(folder, "model.gguf"), new Date(), new Date(Date.now() + 5000));
  await pool.load(info).catch(() => undefined);
  expect(pids()).toHaveLength(2);
});

test("an engine that dies before it has answered anything is not started again by itself", async () => {
  const info = await poolOf(`if (message.type === "load") { ${READY} setTimeout(() => process.exit(9), 50); }`);
  await pool.load(info);
  await until(async () => (await pool.lifecycle.status(info.id)).state === "failed");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(pids()).toHaveLength(1);
  await expect(pool.load(info)).rejects.toMatchObject({
    code: "model_load_failed",
    message: expect.stringContaining("before it had answered anything: exit code 9"),
  });
});

test("a pool that stops ends a load that never ends, child and waiters included", async () => {
  const info = await poolOf("");
  const waiting = pool.load(info).catch((error: unknown) => error);
  await until(() => pids().length === 1);
  const from = performance.now();
  await pool.stop();
  expect(performance.now() - from).toBeLessThan(2000);
  expect(await waiting).toMatchObject({ code: "shutting_down" });
  expect(isGone(pids()[0]!)).toBe(true);
});

test("a load that nobody waits for any more can be unloaded; with force its waiters are told", async () => {
  const info = await poolOf("");
  const waiting = pool.lifecycle.load(info.id).catch((error: unknown) => error);
  await until(() => pids().length === 1);
  expect(await pool.lifecycle.unload(info.id, { force: true })).toEqual({ model: info.id, unloaded: true });
  expect(await waiting).toMatchObject({ code: "model_unloaded" });
  expect(isGone(pids()[0]!)).toBe(true);
  const leave = new AbortController();
  const left = pool.lifecycle.load(info.id, { signal: leave.signal }).catch((error: unknown) => error);
  await until(() => pids().length === 2);
  leave.abort();
  expect(await left).toMatchObject({ code: "client_closed" });
  await pool.lifecycle.unload(info.id);
  expect(isGone(pids()[1]!)).toBe(true);
  expect(await pool.lifecycle.status(info.id)).toMatchObject({ state: "unloaded" });
});

test("a keep-alive that ends nothing does not hold the process, and one that ends lets the model go", async () => {
  const info = await poolOf(`if (message.type === "load") { ${READY} }`);
  await pool.lifecycle.load(info.id, { keepAliveMs: 50 });
  await until(async () => (await pool.lifecycle.status(info.id)).state === "unloaded");
  expect(isGone(pids()[0]!)).toBe(true);
  expect(lines.some((line) => line.includes("reason=keep_alive"))).toBe(true);
});

test("an engine that dies before its first token is let rest though keep_alive has let its model go", async () => {
  const info = await poolOf(`if (message.type === "load") { ${READY} } else process.exit(9);`);
  expect(await answer(info, { keepAliveMs: 0 })).toMatchObject({ code: "engine_gone" });
  await until(async () => (await pool.lifecycle.status(info.id)).state === "failed");
  expect(await answer(info, { keepAliveMs: 0 })).toMatchObject({ code: "model_load_failed", details: { retry_after: 1 } });
  expect(pids()).toHaveLength(1);
});

test("a GPU that dies at the first token is followed by the processor though keep_alive has let the model go", async () => {
  const engineDir = join(folder, "gpu");
  mkdirSync(engineDir);
  writeFileSync(join(engineDir, "libggml-vulkan.so"), "");
  const devices = `[{ name: "Vulkan0", description: "chip", kind: "gpu", freeBytes: 8e9, totalBytes: 8e9 }]`;
  const info = await poolOf(
    `if (message.type === "devices") process.send({ type: "devices", devices: ${devices} });
    else if (message.type === "load") { ${READY} }
    else if (message.type === "generate") { if (process.argv[3]?.endsWith("gpu")) process.exit(9); ${ANSWER} }`,
    { engineDir },
  );
  expect(await answer(info, { keepAliveMs: 0 })).toBe("word");
  expect(pool.hardware.degraded()).toMatchObject([{ backend: "vulkan", reason: "exit code 9" }]);
});

test("an engine that is started again stays as long as the one that died", async () => {
  const info = await poolOf(
    `if (message.type === "load") { ${READY} }
    else if (message.type === "generate") { ${ANSWER} setTimeout(() => process.exit(9), 100); }`,
  );
  expect(await answer(info, { keepAliveMs: 60_000 })).toBe("word");
  await until(async () => pids().length === 2 && (await pool.lifecycle.status(info.id)).state === "loaded");
  expect((await pool.lifecycle.status(info.id)).residence?.expiresAt).toBeGreaterThan(Date.now());
});

test("a model that lies in another file now is loaded from there, as Ollama puts a new version beside the old one", async () => {
  const before = await poolOf(`if (message.type === "load") { ${READY} }`);
  await pool.load(before);
  mkdirSync(join(folder, "new"));
  renameSync(join(folder, "model.gguf"), join(folder, "new", "model.gguf"));
  const [now] = await list();
  expect([now!.id, now!.path]).toEqual([before.id, join(folder, "new", "model.gguf")]);
  await pool.load(now!);
  expect(pids()).toHaveLength(2);
  expect(isGone(pids()[0]!)).toBe(true);
});

test("a loaded model whose file is gone can still be told of and unloaded", async () => {
  const info = await poolOf(`if (message.type === "load") { ${READY} }`);
  await pool.load(info);
  rmSync(join(folder, "model.gguf"));
  expect(await pool.lifecycle.status(info.id)).toMatchObject({ state: "loaded" });
  expect(await pool.lifecycle.unload(info.id)).toMatchObject({ unloaded: true });
  expect(isGone(pids()[0]!)).toBe(true);
});

test("neither a stop nor a forced unload waits for a file that is being compared with its digest", async () => {
  const info = await poolOf("", {}, () => new Promise<never>(() => undefined));
  const waiting = pool.load(info).catch((error: unknown) => error);
  await until(() => pids().length === 1);
  expect(await pool.lifecycle.unload(info.id, { force: true })).toMatchObject({ unloaded: true });
  expect(await waiting).toMatchObject({ code: "model_unloaded" });
  const again = pool.load(info).catch((error: unknown) => error);
  await until(() => pids().length === 2);
  await pool.stop();
  expect(await again).toMatchObject({ code: "shutting_down" });
}, 5000);

test.skipIf(process.platform === "win32")("a model larger than the memory of the machine is loaded where the GPU holds it", async () => {
  const engineDir = join(folder, "gpu");
  mkdirSync(engineDir);
  writeFileSync(join(engineDir, "libggml-vulkan.so"), "");
  truncateSync(join(folder, "model.gguf"), 2e12); // a hole
  const onGpu = `[{ name: "Vulkan0", description: "chip", kind: "gpu", freeBytes: 4e12, totalBytes: 4e12 }]`;
  const info = await poolOf(
    `if (message.type === "devices") process.send({ type: "devices", devices: ${onGpu} }); else if (message.type === "load") { ${READY} }`,
    { engineDir },
  );
  await pool.load(info);
  expect((await pool.lifecycle.status(info.id)).serving?.placement?.gpuLayers).toBeGreaterThan(0);
});

test.skipIf(process.platform === "win32")(
  "a model larger than the memory of the machine is no model for the processor when the GPU fails",
  async () => {
    const engineDir = join(folder, "gpu");
    mkdirSync(engineDir);
    writeFileSync(join(engineDir, "libggml-vulkan.so"), "");
    truncateSync(join(folder, "model.gguf"), 2e12);
    const info = await poolOf(`if (message.type === "devices") process.exit(9); else if (message.type === "load") { ${READY} }`, {
      engineDir,
    });
    await expect(pool.load(info)).rejects.toMatchObject({ code: "model_no_room" });
    const started = pids().length;
    await expect(pool.load(info)).rejects.toMatchObject({ code: "model_no_room" });
    expect(pids()).toHaveLength(started); // the GPU rests
  },
);
