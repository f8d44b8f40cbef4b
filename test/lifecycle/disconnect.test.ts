/** T54, T55: a client that leaves gives its place back, in whatever phase it leaves and however often. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { residentBytes } from "../support/process.ts";
import { begin, load, metric, open, postBytes } from "../support/raw.ts";
import { post, startServer, type TestServer, TINY, until } from "../support/server.ts";
import { ENDLESS, longPrompt, WIDE } from "../support/work.ts";

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-disconnect-"));
  copyFileSync(TINY, join(folder, "fresh.gguf"));
  server = await startServer({
    args: [
      ...WIDE,
      "--model-dirs",
      folder,
      "--parallel",
      "1",
      "--cache-ram",
      "0",
      "--preload",
      "shimmy-tiny",
      "--sse-ping-interval",
      "50ms",
    ],
  });
  await until(async () => (await fetch(`${server.url}/health`)).ok);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const isRunning = async () => (await load(server)).running === 1;
const isFree = async () => {
  const { running, queued } = await load(server);
  return running + queued === 0;
};

/** Milliseconds until nothing runs and nothing waits. */
async function timeUntilFree(): Promise<number> {
  const from = performance.now();
  await until(isFree);
  return performance.now() - from;
}

/** The place is really free: a short request is answered and not behind what was left. */
async function expectPrompt(): Promise<void> {
  const from = performance.now();
  const answer = await post(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 2 });
  expect(answer.status).toBe(200);
  expect(performance.now() - from).toBeLessThan(1000);
}

test("T54 a stream that breaks off while it decodes frees its place in less than a second", async () => {
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(() => stream.received().split("data: ").length > 5);
  expect(await load(server)).toEqual({ running: 1, queued: 0 });
  stream.destroy();
  expect(await timeUntilFree()).toBeLessThan(1000);
  await expectPrompt();
});

test("T54 a request that breaks off while its prompt is computed frees its place in less than a second", async () => {
  const stream = await begin(server, "/v1/completions", { ...longPrompt(14_000), stream: true });
  await until(isRunning);
  stream.destroy();
  expect(await timeUntilFree()).toBeLessThan(1000);
  expect(stream.received()).not.toContain("finish_reason");
  await expectPrompt();
});

test("T54 a whole answer that nobody waits for any more is not computed to its end", async () => {
  const whole = await begin(server, "/v1/completions", ENDLESS);
  await until(isRunning);
  whole.destroy();
  expect(await timeUntilFree()).toBeLessThan(1000);
  await expectPrompt();
});

test("T54 a request that breaks off in the queue leaves it, and the one that runs goes on", async () => {
  const running = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(isRunning);
  const waiting = await begin(server, "/v1/completions", ENDLESS);
  await until(async () => (await load(server)).queued === 1);
  waiting.destroy();
  const from = performance.now();
  await until(async () => (await load(server)).queued === 0);
  expect(performance.now() - from).toBeLessThan(1000);
  const written = running.received().length;
  await until(() => running.received().length > written);
  running.destroy();
  expect(await timeUntilFree()).toBeLessThan(1000);
  await expectPrompt();
});

test("T54 a request whose body breaks off never starts", async () => {
  const half = await open(server);
  const bytes = postBytes("/v1/completions", ENDLESS);
  half.write(bytes.slice(0, bytes.length - 20));
  half.destroy();
  await half.closed;
  await until(() => server.stderr().includes("client_closed"));
  expect(server.stderr()).not.toContain("internal");
  await expectPrompt();
  expect(await load(server)).toEqual({ running: 0, queued: 0 });
});

test("T54 a request that breaks off while its model loads leaves a loaded model and nothing else", async () => {
  const connection = await begin(server, "/v1/completions", { ...ENDLESS, model: "fresh" });
  await until(async () => (await server.engines()).length === 2);
  connection.destroy();
  await until(async () => (await metric(server, "shimmy_models_loaded")) === 2);
  expect(await load(server, "fresh")).toEqual({ running: 0, queued: 0 });
});

/** Breaks off after 0, 10, … 90 ms: in the queue, in the prompt, in the answer. */
async function abortMany(count: number): Promise<void> {
  for (let i = 0; i < count; i += 5) {
    const wave = Array.from({ length: 5 }, async (_, k) => {
      const body = k % 2 === 0 ? { ...ENDLESS, stream: k === 0 } : { ...longPrompt(3000), stream: k === 1 };
      const connection = await begin(server, "/v1/completions", body);
      await new Promise((resolve) => setTimeout(resolve, ((i + k) % 10) * 10));
      connection.destroy();
    });
    await Promise.all(wave);
  }
  await until(isFree);
}

test("T55 a hundred requests that break off leave no memory and no place behind", async () => {
  const engines = await server.engines();
  const [engine] = engines;
  await abortMany(50);
  const before = { engine: residentBytes(engine!), gateway: residentBytes(server.pid) };
  await abortMany(100);
  await expectPrompt();
  expect(await server.engines()).toEqual(engines);
  const grown = { engine: residentBytes(engine!) - before.engine, gateway: residentBytes(server.pid) - before.gateway };
  expect(grown.engine).toBeLessThan(32e6); // the young generation of Node 24 alone may grow by 22 MB
  expect(grown.gateway).toBeLessThan(32e6);
}, 60_000);
