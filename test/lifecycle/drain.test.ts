/** T63, T64: what /health says from start to end, and how the server ends. */
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import { isGone } from "../support/process.ts";
import { begin, load, open, postBytes } from "../support/raw.ts";
import { type StartOptions, startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";

let server: TestServer;

async function start(options: StartOptions = {}): Promise<void> {
  server = await startServer(options);
}
afterEach(async () => {
  if (server.process.exitCode === null) server.process.kill("SIGKILL");
});

const exit = () => new Promise<number | null>((resolve) => server.process.once("close", resolve));

async function health(): Promise<{ code: number; status: string; models: Record<string, number> }> {
  const answer = await fetch(`${server.url}/health`);
  const { status, models } = (await answer.json()) as { status: string; models: Record<string, number> };
  return { code: answer.status, status, models };
}

test("T63 /health says loading while the models of --preload load, then ok", async () => {
  await start({ args: ["--preload", "shimmy-tiny"] });
  // The model itself may not be looked for yet.
  expect(await health()).toMatchObject({ code: 503, status: "loading", models: { total: 1 } });
  await until(async () => (await health()).code === 200);
  expect(await health()).toEqual({ code: 200, status: "ok", models: { total: 1, loaded: 1 } });
});

test("T63 without --preload it says ok at once, and nothing is loaded", async () => {
  await start();
  expect(await health()).toEqual({ code: 200, status: "ok", models: { total: 1, unloaded: 1 } });
  expect(await server.engines()).toEqual([]);
});

test("T63 a model of --preload that cannot be loaded ends the server with an exit code", async () => {
  const failed = startServer({ args: ["--preload", "no-such-model", "--strict-models"] }).then((started) => {
    server = started;
    return exit();
  });
  expect(await failed).toBe(1);
  expect(server.stderr()).toContain("no-such-model");
});

test("T63, T64 SIGTERM: /health says draining, new work is refused, the running stream ends well, exit code 0", async () => {
  await start({ args: [...WIDE] });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const chunks = await client.completions.create({ ...ENDLESS, max_tokens: 600, stream: true, stream_options: { include_usage: true } });
  const stream = chunks[Symbol.asyncIterator]();
  await stream.next();
  // Connections that stand already, each in the middle of a request.
  const asksHealth = await open(server);
  asksHealth.write("GET /health HTTP/1.1\r\nHost: localhost\r\n");
  const asksMore = await open(server);
  const bytes = postBytes("/v1/completions", { ...ENDLESS, max_tokens: 1 });
  asksMore.write(bytes.slice(0, 20));
  await until(async () => (await load(server)).running === 1);

  const ended = exit();
  server.process.kill("SIGTERM");
  await until(() => server.stderr().includes("connections are refused"));
  await expect(open(server)).rejects.toThrow("ECONNREFUSED");
  asksHealth.write("\r\n");
  asksMore.write(bytes.slice(20));
  await until(() => asksHealth.received().includes("}") && asksMore.received().includes("}"));
  expect(asksHealth.received()).toMatch(/^HTTP\/1.1 503 .*"status":"draining"/s);
  expect(asksMore.received()).toMatch(/^HTTP\/1.1 503 .*"code":"shutting_down"/s);

  let usage: OpenAI.CompletionUsage | null | undefined;
  for (let next = await stream.next(); !next.done; next = await stream.next()) usage = next.value.usage ?? usage;
  expect(usage?.completion_tokens).toBe(600);
  // The client keeps its connection; that must not hold the server.
  const from = performance.now();
  expect(await ended).toBe(0);
  expect(performance.now() - from).toBeLessThan(2000);
});

test("T64 an idle server ends at once, with the connections that clients keep open and those that never said a word", async () => {
  await start();
  await open(server);
  await fetch(`${server.url}/health`);
  await fetch(`${server.url}/v1/models`);
  const from = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - from).toBeLessThan(2000);
});

test("T64 SIGTERM while a model loads: the request that waits for it is answered", async () => {
  await start();
  const connection = await begin(server, "/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 2 });
  await until(async () => (await server.engines()).length > 0);
  expect(await server.stop()).toBe(0);
  await connection.closed;
  expect(connection.received()).toMatch(/^HTTP\/1.1 200 .*"finish_reason":"length"/s);
});

test("T64 a second SIGTERM ends at once, engines included", async () => {
  await start({ args: [...WIDE] });
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(() => stream.received().includes("data: "));
  const engines = await server.engines();
  const ended = exit();
  server.process.kill("SIGTERM");
  await until(() => server.stderr().includes("draining"));
  await sleep(500); // later than what counts as the same
  server.process.kill("SIGTERM");
  expect(await ended).toBe(143);
  await stream.closed;
  await until(() => engines.every(isGone));
});

test("T64 a signal that comes twice at once, as of Ctrl-C under npm, drains", async () => {
  await start();
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, max_tokens: 900, stream: true });
  await until(() => stream.received().includes("data: "));
  const ended = exit();
  server.process.kill("SIGINT");
  await until(() => server.stderr().includes("draining"));
  server.process.kill("SIGINT");
  expect(await ended).toBe(0);
  await stream.closed;
  expect(stream.received()).toContain("[DONE]");
});

test("T64 what is not done within --drain-timeout is cut off", async () => {
  await start({ args: [...WIDE, "--drain-timeout", "300ms"] });
  const stream = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(() => stream.received().includes("data: "));
  const from = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - from).toBeLessThan(3000);
  await stream.closed;
  expect(stream.received()).not.toContain("[DONE]");
});
