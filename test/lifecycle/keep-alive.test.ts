/** T57: while there is nothing to say yet, comments keep a stream alive, and clients do not notice them. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { begin } from "../support/raw.ts";
import { NO_SHARED, SMOLLM2, startServer, type TestServer, until } from "../support/server.ts";
import { longPrompt, WIDE } from "../support/work.ts";

/** With the line end before it, for `Connection: keep-alive` is a header. */
const PING = "\r\n: keep-alive\n\n";
const INTERVAL_MS = 10;
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: [...WIDE, "--parallel", "2", "--sse-ping-interval", `${INTERVAL_MS}ms`] });
});
afterAll(() => server.stop());

/** Comments before the first event, and whether the answer came after all. */
async function pings(path: string, body: object): Promise<{ before: number; text: string }> {
  const stream = await begin(server, path, { ...body, stream: true });
  await until(() => stream.received().includes("data: [DONE]"));
  stream.destroy();
  const text = stream.received();
  return { before: text.slice(0, text.indexOf("data: ")).split(PING).length - 1, text };
}

test("T57 comments come while a model is loaded", async () => {
  expect(await server.engines()).toEqual([]);
  const { before, text } = await pings("/v1/completions", { model: "shimmy-tiny", prompt: "Once", max_tokens: 1 });
  expect(before).toBeGreaterThan(0);
  expect(text).toContain("HTTP/1.1 200");
  expect(text).toContain("content-type: text/event-stream");
});

test("T57 comments come while a long prompt is computed, about as often as was asked for", async () => {
  const from = performance.now();
  const { text } = await pings("/v1/completions", longPrompt(6000));
  const expected = (performance.now() - from) / INTERVAL_MS;
  const count = text.split(PING).length - 1;
  expect(count).toBeGreaterThan(expected / 4);
  expect(count).toBeLessThanOrEqual(expected + 1);
});

test("T57 the official client is not disturbed by them", async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const { prompt, ...body } = longPrompt(3000);
  let chunks = 0;
  let text = "";
  for await (const chunk of await client.completions.create({ ...body, prompt, max_tokens: 5, stream: true })) {
    chunks++;
    text += chunk.choices[0]?.text ?? "";
  }
  const whole = await client.completions.create({ ...body, prompt, max_tokens: 5 });
  expect(text).toBe(whole.choices[0]!.text);
  expect(chunks).toBeGreaterThan(1);
});

test("T57 --sse-ping-interval 0 sends none", async () => {
  const silent = await startServer({ args: [...WIDE, "--sse-ping-interval", "0"] });
  const stream = await begin(silent, "/v1/completions", { ...longPrompt(1000), stream: true });
  await until(() => stream.received().includes("data: [DONE]"));
  expect(stream.received()).not.toContain(PING);
  stream.destroy();
  await silent.stop();
});

test.skipIf(NO_SHARED)(
  "T57 a chat with SmolLM2 whose prompt takes a while is kept alive",
  async () => {
    const other = await startServer({ args: ["--model-path", SMOLLM2, "--ctx", "8192", "--parallel", "1", "--sse-ping-interval", "50ms"] });
    const client = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: "none", maxRetries: 0 });
    const messages = [{ role: "user" as const, content: "Name a colour. ".repeat(25) }];
    const body = { model: "smollm2-135m-instruct-q4-1", messages, max_tokens: 2, temperature: 0 };
    const raw = await begin(other, "/v1/chat/completions", { ...body, stream: true });
    await until(() => raw.received().includes("data: [DONE]"));
    expect(raw.received().indexOf(PING)).toBeLessThan(raw.received().indexOf("data: "));
    expect(raw.received()).toContain(PING);
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
      text += chunk.choices[0]?.delta.content ?? "";
    expect(text).not.toBe("");
    await other.stop();
  },
  60_000,
);
