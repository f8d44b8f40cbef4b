/** A full queue says so at once, and when to come back; whoever got in is served. */
import OpenAI, { RateLimitError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askJson, begin, type Connection, load } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS, WIDE } from "../support/work.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: [...WIDE, "--parallel", "1", "--max-queue", "1"] });
});
afterAll(() => server.stop());

/** One runs and one waits: the queue is full. */
async function full(): Promise<Connection[]> {
  const running = await begin(server, "/v1/completions", { ...ENDLESS, stream: true });
  await until(async () => (await load(server)).running === 1);
  const waiting = await begin(server, "/v1/completions", { ...ENDLESS, max_tokens: 2 });
  await until(async () => (await load(server)).queued === 1);
  return [running, waiting];
}

test("one more than may wait is a 429 with Retry-After; then those inside are served", async () => {
  const [running, waiting] = (await full()) as [Connection, Connection];
  for (const stream of [false, true]) {
    const { status, headers, json } = await askJson(server, "/v1/completions", { ...ENDLESS, stream });
    expect(status).toBe(429);
    expect(Number(headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(headers["content-type"]).toContain("application/json");
    expect(json.error).toMatchObject({ type: "rate_limit_error", code: "queue_full", message: expect.stringContaining("1 waiting") });
  }
  running.destroy();
  await until(() => waiting.received().includes("finish_reason"));
  expect(waiting.received()).toMatch(/^HTTP\/1.1 200 /);
  waiting.destroy();
});

test("several choices count as that many places", async () => {
  const { status, json } = await askJson(server, "/v1/completions", { ...ENDLESS, max_tokens: 2, n: 3 });
  expect([status, json.error.code]).toEqual([429, "queue_full"]);
  expect((await askJson(server, "/v1/completions", { ...ENDLESS, max_tokens: 2, n: 2 })).json.choices).toHaveLength(2);
});

test("the official client sees RateLimitError, and with its retries an answer once there is room", async () => {
  const client = (maxRetries: number) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries });
  const [running, waiting] = (await full()) as [Connection, Connection];
  const question = { ...ENDLESS, max_tokens: 2 };
  await expect(client(0).completions.create(question)).rejects.toBeInstanceOf(RateLimitError);
  const patient = client(5).completions.create(question);
  running.destroy();
  waiting.destroy();
  expect((await patient).usage?.completion_tokens).toBe(2);
});
