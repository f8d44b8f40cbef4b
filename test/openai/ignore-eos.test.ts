/** `ignore_eos`, llama-server's and vLLM's: an answer ends by its limit, a stop string or its grammar, never by itself. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, type TestServer } from "../support/server.ts";
import { gatewayBefore } from "../upstream/support.ts";
import { ask, chatText, SHIMMY_TINY, startBoth, streamedChat, vocabulary, whole, wholeChat, wholeCompletion } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth(["--ctx", "1024"]);
});
afterAll(() => server.stop());

const model = SHIMMY_TINY.id;
const LENGTH = 160;
const QUESTIONS = ["Hi", "How old are you?", "Tell me a story about the number 3 and a llama."] as const;
const question = (content: string) => ({ model, messages: ask(content), temperature: 0, max_tokens: LENGTH });
const endless = { ignore_eos: true } as const;
const ended = ({ choices, usage }: Awaited<ReturnType<typeof wholeChat>>) => ({
  reasons: choices.map(({ finish_reason }) => finish_reason),
  tokens: usage!.completion_tokens,
});

describe.each(QUESTIONS)("%s", (content) => {
  test("ends by itself, and with ignore_eos by its limit; the beginning is the same", async () => {
    const short = await wholeChat(server, question(content));
    expect(ended(short).reasons).toEqual(["stop"]);
    expect(ended(short).tokens).toBeLessThan(LENGTH);
    const long = await wholeChat(server, { ...question(content), ...endless });
    expect(ended(long)).toEqual({ reasons: ["length"], tokens: LENGTH });
    expect(long.choices[0]!.message.content).toContain(short.choices[0]!.message.content!);
    expect(chatText(await streamedChat(server, { ...question(content), ...endless }))).toBe(long.choices[0]!.message.content);
  });

  test("with and without speculation it is the same text", async () => {
    const alone = await wholeChat(server, { ...question(content), ...endless, "speculative.n_max": 0 });
    const guessed = await wholeChat(server, { ...question(content), ...endless, max_tokens: 400 });
    expect(ended(guessed)).toEqual({ reasons: ["length"], tokens: 400 });
    expect(guessed.choices[0]!.message.content!.startsWith(alone.choices[0]!.message.content!)).toBe(true);
  });

  test("drawn answers end by the limit too, each of several", async () => {
    const drawn = await wholeChat(server, { ...question(content), ...endless, temperature: 1.2, seed: 3, n: 3 });
    expect(ended(drawn)).toEqual({ reasons: ["length", "length", "length"], tokens: 3 * LENGTH });
  });
});

test("false and null are the same as nothing", async () => {
  for (const ignore_eos of [false, null])
    expect(ended(await wholeChat(server, { ...question("Hi"), ignore_eos })).reasons).toEqual(["stop"]);
});

test("a caller who wants an end by logit_bias does not get it", async () => {
  const end = (await vocabulary(SHIMMY_TINY.path)).id("<|im_end|>");
  const body = { ...question("Hi"), max_tokens: 20, logit_bias: { [end]: 100 } };
  expect(ended(await wholeChat(server, body))).toEqual({ reasons: ["stop"], tokens: 0 });
  expect(ended(await wholeChat(server, { ...body, ...endless }))).toEqual({ reasons: ["length"], tokens: 20 });
});

test("a stop string still ends it, and the context does where there is no limit", async () => {
  const stopped = await wholeChat(server, { ...question("Hi"), ...endless, stop: ["help"] });
  expect(ended(stopped).reasons).toEqual(["stop"]);
  expect(stopped.choices[0]!.message.content).not.toContain("help");
  const { max_tokens: _, ...unlimited } = question("Hi");
  const { usage, choices } = await wholeChat(server, { ...unlimited, ...endless });
  // The last token is drawn and never computed.
  expect([choices[0]!.finish_reason, usage!.total_tokens]).toEqual(["length", 1024 + 1]);
});

describe("a grammar", () => {
  test("that is at its end ends the answer", async () => {
    const answer = await wholeChat(server, { ...question("Yes or no?"), ...endless, grammar: 'root ::= "yes" | "no"' });
    expect(ended(answer).reasons).toEqual(["stop"]);
    expect(["yes", "no"]).toContain(answer.choices[0]!.message.content);
    const schema = { type: "object", properties: { n: { enum: [1, 2] } }, required: ["n"], additionalProperties: false };
    const response_format = { type: "json_schema", json_schema: { name: "x", schema } };
    const made = await wholeChat(server, { ...question("A number?"), ...endless, response_format });
    expect(ended(made).reasons).toEqual(["stop"]);
    expect([1, 2]).toContain(JSON.parse(made.choices[0]!.message.content!).n);
  });

  test("that could end and need not goes on", async () => {
    const grammar = 'root ::= "a"+';
    const answer = await wholeChat(server, { ...question("Hi"), ...endless, max_tokens: 40, grammar });
    expect(ended(answer)).toEqual({ reasons: ["length"], tokens: 40 });
    expect(answer.choices[0]!.message.content).toMatch(/^a+$/);
  });
});

test("texts, fills in the middle and llama-server's own endpoints take it", async () => {
  const text = { model, prompt: "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", temperature: 0, max_tokens: 60 };
  expect((await wholeCompletion(server, text)).choices[0]!.finish_reason).toBe("stop");
  expect(await wholeCompletion(server, { ...text, ...endless })).toMatchObject({
    choices: [{ finish_reason: "length" }],
    usage: { completion_tokens: 60 },
  });
  const native = { model, temperature: 0, n_predict: 60, ...endless };
  expect(await whole(server, "/completion", { ...native, prompt: text.prompt })).toMatchObject({
    stop_type: "limit",
    tokens_predicted: 60,
  });
  const gap = { ...native, input_prefix: "Once upon a time", input_suffix: "The end." };
  expect(await whole(server, "/infill", gap)).toMatchObject({ stop_type: "limit", tokens_predicted: 60 });
  const middle = { ...text, ...endless, prompt: "Once upon a time", suffix: "The end." };
  expect((await wholeCompletion(server, middle)).usage!.completion_tokens).toBe(60);
});

test.each([
  ["/v1/chat/completions", { messages: ask("Hi") }],
  ["/v1/completions", { prompt: "Hi" }],
  ["/completion", { prompt: "Hi" }],
  ["/infill", { input_prefix: "a", input_suffix: "b" }],
])("%s refuses what is neither true nor false", async (path, body) => {
  for (const ignore_eos of ["true", 1]) {
    const response = await post(server, path, { ...body, ignore_eos });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toContain("'ignore_eos': must be true or false");
  }
});

test("the OpenAPI document has it where it is taken, and not at /v1/responses", async () => {
  const document = await (await fetch(`${server.url}/openapi.json`)).text();
  const { paths } = JSON.parse(document) as { paths: Record<string, { post?: { requestBody?: unknown } }> };
  const takes = (path: string) => JSON.stringify(paths[path]!.post!.requestBody).includes('"ignore_eos"');
  const asked = ["/v1/chat/completions", "/v1/completions", "/completion", "/infill", "/v1/responses"];
  expect(asked.map(takes)).toEqual([true, true, true, true, false]);
});

test("a Shimmy behind a Shimmy gets it", async () => {
  const gateway = await gatewayBefore([server.url]);
  try {
    const answer = await wholeChat(gateway, { ...question("Hi"), ...endless });
    expect(ended(answer)).toEqual({ reasons: ["length"], tokens: LENGTH });
  } finally {
    await gateway.stop();
  }
});
