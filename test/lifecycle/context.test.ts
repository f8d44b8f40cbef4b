/** T59: the edge of the context, to the token. */
import OpenAI, { BadRequestError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { ENDLESS, tokenPrompt } from "../support/work.ts";

const CTX = 256;
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ["--ctx", String(CTX)] });
});
afterAll(() => server.stop());

const complete = (tokens: number, more: object = {}) =>
  askJson(server, "/v1/completions", { ...ENDLESS, prompt: tokenPrompt(tokens), ...more });

test("T59 a prompt that is longer than the context is a 400 with both numbers", async () => {
  const { status, json } = await complete(CTX + 1);
  expect(status).toBe(400);
  expect(json.error).toMatchObject({
    code: "context_length_exceeded",
    type: "invalid_request_error",
    n_prompt_tokens: CTX + 1,
    n_ctx: CTX,
    message: expect.stringContaining(`maximum context length is ${CTX} tokens`),
  });
});

test("T59 the same as a stream is the same 400, before any event", async () => {
  const { status, json, headers } = await complete(CTX + 1, { stream: true });
  expect(status).toBe(400);
  expect(headers["content-type"]).toContain("application/json");
  expect(json.error.code).toBe("context_length_exceeded");
});

test("megabytes of text are refused by their length, with a number of tokens that they have at least", async () => {
  const text = "a fox and a tree ";
  const real = (await askJson(server, "/v1/completions", { ...ENDLESS, prompt: text.repeat(2000) })).json.error.n_prompt_tokens;
  const { json } = await askJson(server, "/v1/completions", { ...ENDLESS, prompt: text.repeat(1_000_000) });
  expect(json.error.code).toBe("context_length_exceeded");
  expect(json.error.n_prompt_tokens).toBeGreaterThan(CTX);
  expect(json.error.n_prompt_tokens).toBeLessThanOrEqual(500 * real);
});

test("T59 the official client sees it as its own error", async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const content = "Once upon a time there was a fox. ".repeat(60);
  const question = client.chat.completions.create({ model: "shimmy-tiny", messages: [{ role: "user", content }] });
  await expect(question).rejects.toSatisfy(
    (error) => error instanceof BadRequestError && error.status === 400 && error.code === "context_length_exceeded",
  );
});

test("T59 a prompt of exactly the context is answered with one token", async () => {
  const { status, json } = await complete(CTX);
  expect(status).toBe(200);
  expect(json.choices[0].finish_reason).toBe("length");
  expect(json.usage).toMatchObject({ prompt_tokens: CTX, completion_tokens: 1 });
});

test("T59 one token less leaves room for one more", async () => {
  const { json } = await complete(CTX - 1);
  expect(json.choices[0].finish_reason).toBe("length");
  expect(json.usage).toMatchObject({ prompt_tokens: CTX - 1, completion_tokens: 2 });
});

test("T59 an answer that grows to the end of the context ends by length, streamed and whole", async () => {
  const { json } = await complete(10);
  expect(json.choices[0].finish_reason).toBe("length");
  expect(json.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: CTX - 10 + 1 });

  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  const chunks = await client.completions.create({
    ...ENDLESS,
    prompt: tokenPrompt(10),
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let reason: string | undefined;
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of chunks) {
    text += chunk.choices[0]?.text ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  expect([reason, usage?.completion_tokens]).toEqual(["length", CTX - 10 + 1]);
  expect(text).toBe(json.choices[0].text);
});

test("T59 sixteen answers grow to the end of the context at once", async () => {
  const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => complete(200 + i)));
  expect(answers.map(({ json }) => [json.choices[0].finish_reason, json.usage.total_tokens])).toEqual(Array(16).fill(["length", CTX + 1]));
});

test("T59 the context that is served is told in the list of models", async () => {
  const model = await (await fetch(`${server.url}/v1/models/shimmy-tiny`)).json();
  expect(model).toMatchObject({ context_length: CTX });
});
