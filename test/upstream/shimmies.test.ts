/** A gateway without models of its own before three Shimmies: what they have is served, and what they answer is told. */
import type { ChatCompletion, ChatCompletionMessageFunctionToolCall } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startServer, type TestServer } from "../support/server.ts";
import { gatewayBefore, QUESTION, readStream, type Told, told } from "./support.ts";

let behind: TestServer[];
let gateway: TestServer;

beforeAll(async () => {
  behind = await Promise.all([1, 2, 3].map(() => startServer()));
  gateway = await gatewayBefore(behind.map(({ url }) => url));
}, 60_000);
afterAll(async () => {
  await Promise.all([gateway, ...behind].map((server) => server?.stop()));
});

const ask = async (body: object) =>
  told<ChatCompletion & Told>(post(gateway, "/v1/chat/completions", { model: "shimmy-tiny", ...QUESTION, ...body }));
const askDirectly = async (body: object) =>
  told<ChatCompletion & Told>(post(behind[0]!, "/v1/chat/completions", { model: "shimmy-tiny", ...QUESTION, ...body }));

/** Of the gateway, and of one behind it. */
const both = <T>(asks: (to: TestServer) => Promise<T>) => Promise.all([asks(gateway), asks(behind[1]!)]);

test("models of all are listed once, as models of an upstream", async () => {
  const { data } = await told(fetch(`${gateway.url}/v1/models`));
  const theirs = await told(fetch(`${behind[0]!.url}/v1/models`));
  expect(data.map(({ id }: { id: string }) => id)).toEqual(theirs.data.map(({ id }: { id: string }) => id));
  expect(data[0]!).toMatchObject({ context_length: theirs.data[0]!.context_length, size: theirs.data[0]!.size });
  const { models } = await told(fetch(`${gateway.url}/api/models`));
  expect(models).toMatchObject([{ source: "upstream" }]);
  expect((await told(fetch(`${gateway.url}/health`))).models.total).toBe(1);
});

describe("an answer is that of the upstream", () => {
  test("whole, with its usage", async () => {
    const [here, there] = [await ask({ max_tokens: 12 }), await askDirectly({ max_tokens: 12 })];
    expect(here.choices).toEqual(there.choices);
    const { prompt_tokens, completion_tokens } = there.usage!;
    expect(here.usage).toMatchObject({ prompt_tokens, completion_tokens });
  });

  test("streamed, with its usage at the end", async () => {
    const response = await post(gateway, "/v1/chat/completions", { ...QUESTION, model: "", max_tokens: 12, stream: true });
    const read = await readStream(response);
    expect(read).toMatchObject({ status: 200, done: true, error: undefined });
    expect(read.text).toBe((await askDirectly({ max_tokens: 12 })).choices[0]!.message.content);
  });

  test("of a text, of several prompts, of tokens", async () => {
    const body = { model: "shimmy-tiny", prompt: ["Once", "Twice"], n: 2, max_tokens: 5, temperature: 0 };
    const [here, there] = await both((to) => told<Completion>(post(to, "/v1/completions", body)));
    expect(here.choices).toEqual(there.choices);
    expect(here.usage!.prompt_tokens).toBe(there.usage!.prompt_tokens);
    const tokens = { ...body, prompt: [5, 6, 7], n: 1 };
    const [own, their] = await both((to) => told<Completion>(post(to, "/v1/completions", tokens)));
    expect(own.choices).toEqual(their.choices);
  });

  test("with log probabilities", async () => {
    const fields = { max_tokens: 4, logprobs: true, top_logprobs: 2 };
    expect((await ask(fields)).choices[0]!.logprobs).toEqual((await askDirectly(fields)).choices[0]!.logprobs);
  });

  test("a call of a tool, with whole arguments", async () => {
    const parameters = { type: "object", properties: { on: { type: "boolean" } }, required: ["on"], additionalProperties: false };
    const tools = [{ type: "function", function: { name: "set_light", parameters } }];
    const answer = await ask({ tools, tool_choice: "required", max_tokens: 200 });
    const choice = answer.choices[0]!;
    const call = choice.message.tool_calls![0] as ChatCompletionMessageFunctionToolCall;
    expect(choice.finish_reason).toBe("tool_calls");
    expect(call.function.name).toBe("set_light");
    expect(JSON.parse(call.function.arguments)).toEqual({ on: expect.any(Boolean) });
  });

  test("JSON of the schema that was asked for", async () => {
    const schema = { type: "object", properties: { n: { enum: [1, 2] } }, required: ["n"], additionalProperties: false };
    const answer = await ask({ response_format: { type: "json_schema", json_schema: { name: "x", schema } }, max_tokens: 100 });
    expect([1, 2]).toContain(JSON.parse(answer.choices[0]!.message.content!).n);
  });

  test.each<[string, string, object]>([
    ["vectors as numbers", "/v1/embeddings", { input: ["Hello", "a dog"] }],
    ["vectors in base64, of tokens", "/v1/embeddings", { input: [[5, 6, 7]], encoding_format: "base64" }],
    ["vectors that are cut", "/v1/embeddings", { input: "Hello", dimensions: 8, pooling: "mean" }],
    ["scores of documents", "/v1/rerank", { query: "dog", documents: ["a dog", "the sea", "x"], top_n: 2, return_documents: true }],
    ["scores of pairs", "/v1/score", { text_1: ["dog", "sea"], text_2: ["a dog", "the sea"] }],
    ["tokens", "/tokenize", { content: "Once upon a time" }],
    ["tokens with their pieces, parts of characters too", "/tokenize", { content: "Ünï 🦝", with_pieces: true, add_special: true }],
    ["the text of tokens", "/detokenize", { tokens: [300, 301, 302] }],
    ["the text of a prompt", "/apply-template", QUESTION],
    ["a gap", "/v1/completions", { prompt: "Once", suffix: "end.", max_tokens: 4, temperature: 0, cache_prompt: false }],
  ])("%s", async (_, path, body) => {
    const sent = { model: "shimmy-tiny", ...body };
    const [here, there] = await both(async (to) => {
      const response = await post(to, path, sent);
      const { id: _, created: __, timings: ___, system_fingerprint: ____, ...rest } = await told<Record<string, unknown>>(response);
      return { status: response.status, ...rest };
    });
    expect(here).toEqual(there);
  });

  const INFILL = {
    input_prefix: "def add(a, b):\n",
    input_suffix: "\n",
    input_extra: [{ filename: "x.py", text: "import os\n" }, { text: "more" }],
    n_predict: 6,
    ignore_eos: true,
    temperature: 0,
    cache_prompt: false,
  };

  test.each<[string, object]>([
    ["whole", { n_probs: 2 }],
    ["several", { n: 2, seed: 3, temperature: 1 }],
    ["of a schema", { json_schema: { type: "object", properties: {} } }],
    ["with a stop string", { stop: ["e", "a"], n_predict: 40 }],
  ])("a gap among other files, %s", async (_, more) => {
    const [here, there] = await both((to) => told<object | object[]>(post(to, "/infill", { ...INFILL, ...more })));
    const comparable = (answer: object | object[]) => [answer].flat().map((each) => ({ ...each, timings: undefined }));
    expect(comparable(here)).toEqual(comparable(there));
    expect(JSON.stringify(here)).toMatch(/"tokens_predicted":[1-9]/);
  });

  test("a gap among other files, streamed", async () => {
    const [here, there] = await both(async (to) => {
      const text = await (await post(to, "/infill", { ...INFILL, stream: true })).text();
      return text.split("\n").flatMap((line) => (line.startsWith("data: ") ? [JSON.parse(line.slice(6))] : []));
    });
    const texts = (frames: ReadonlyArray<{ content: string }>) => frames.map(({ content }) => content).join("");
    expect(texts(here)).toBe(texts(there));
    expect(here.at(-1)).toMatchObject({ stop: true, stop_type: there.at(-1).stop_type, tokens_evaluated: there.at(-1).tokens_evaluated });
  });

  test("the properties of a model, which is not loaded for that", async () => {
    const [here, there] = await both((to) => told<Record<string, unknown>>(fetch(`${to.url}/props?model=shimmy-tiny`)));
    // Whether it sleeps is told by whichever was asked.
    expect(here).toEqual({ ...there, is_sleeping: expect.any(Boolean) });
    expect(here.chat_template).toEqual(expect.stringContaining("{%"));
  });

  test("a Response counts its input", async () => {
    const body = { model: "shimmy-tiny", input: "Hello" };
    const [here, there] = await both((to) => told<{ input_tokens: number }>(post(to, "/v1/responses/input_tokens", body)));
    expect(here.input_tokens).toBe(there.input_tokens);
  });
});

describe("what cannot be answered is told as it was said there", () => {
  test("a 400 with its message", async () => {
    const body = { response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "nonsense" } } } };
    const [here, there] = [await ask(body), await askDirectly(body)];
    expect(here.error).toMatchObject({ type: "invalid_request_error", message: there.error?.message });
  });

  test("a prompt that is too long, with the numbers", async () => {
    const messages = [{ role: "user", content: "word ".repeat(20_000) }];
    const response = await post(gateway, "/v1/chat/completions", { messages });
    expect(response.status).toBe(400);
    expect((await told(response)).error).toMatchObject({ code: "context_length_exceeded", n_ctx: expect.any(Number) });
  });

  test("the slots of a model that is elsewhere are refused with words", async () => {
    const response = await fetch(`${gateway.url}/slots?model=shimmy-tiny`);
    expect(response.status).toBe(400);
    expect((await told(response)).error).toMatchObject({
      code: "upstream_unsupported",
      message: expect.stringMatching(/slots/),
      hint: expect.stringMatching(/Ask that server/),
    });
  });
});
