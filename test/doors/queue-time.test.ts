/** Whoever waits longer than --max-queue-time is told so, and when to come back; whoever is served is left alone. */
import OpenAI, { RateLimitError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askJson, begin, type Connection, load } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";

let server: TestServer;
let running: Connection;

beforeAll(async () => {
  server = await startServer({ args: [...WIDE, "--parallel", "1", "--max-queue-time", "300ms"] });
  running = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(async () => (await load(server)).running === 1);
});
afterAll(async () => {
  running.destroy();
  await server.stop();
});

const error = {
  type: "rate_limit_error",
  code: "queue_timeout",
  message: expect.stringMatching(/^The request waited 0\.\d s for shimmy-tiny/),
};

test("a request whose turn does not come in time is a 429 with Retry-After, whole or streamed", async () => {
  for (const stream of [false, true]) {
    const { status, headers, json } = await askJson(server, "/v1/completions", { ...ENDLESS, stream });
    expect(status).toBe(429);
    expect(Number(headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(json.error).toMatchObject({
      ...error,
      retry_after: Number(headers["retry-after"]),
      hint: expect.stringContaining("--max-queue-time"),
    });
  }
  expect(await load(server)).toEqual({ running: 1, queued: 0 });
});

test("a stream that has begun ends with the error as its last frame", async () => {
  const messages = [{ role: "user", content: "Hello" }];
  const waiting = await begin(server, "/v1/chat/completions", { model: "shimmy-tiny", messages, stream: true });
  await until(() => waiting.received().includes("queue_timeout"));
  expect(waiting.received()).toMatch(/^HTTP\/1.1 200 /);
  const frames = waiting
    .received()
    .split("\n")
    .filter((line) => line.startsWith("data: "));
  expect(JSON.parse(frames.at(-1)!.slice("data: ".length)).error).toMatchObject({ ...error, retry_after: expect.any(Number) });
  expect(waiting.received()).not.toContain("[DONE]");
  waiting.destroy();
});

test("the official client sees RateLimitError", async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  await expect(client.completions.create(ENDLESS)).rejects.toBeInstanceOf(RateLimitError);
});

test("who is being answered may take as long as it takes, and its choices may wait for each other", async () => {
  expect(running.received()).not.toContain("error");
  running.destroy();
  await until(async () => (await load(server)).running === 0);
  const { status, json } = await askJson(server, "/v1/completions", { ...ENDLESS, max_tokens: 1500, n: 2 });
  expect(status).toBe(200);
  expect(json.choices).toHaveLength(2);
  expect(json.timings.predicted_ms).toBeGreaterThan(300); // longer than the second one may have waited
});
