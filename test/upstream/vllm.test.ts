/** A gateway before a server that speaks as vLLM does (vllm.ts). */
import type { ChatCompletion } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, type TestServer } from "../support/server.ts";
import { gatewayBefore, readStream, type Told, told } from "./support.ts";
import { startVllm } from "./vllm.ts";

let vllm: Awaited<ReturnType<typeof startVllm>>;
let gateway: TestServer;
beforeAll(async () => {
  vllm = await startVllm();
  gateway = await gatewayBefore([vllm.url]);
}, 30_000);
afterAll(async () => {
  await gateway?.stop();
  await vllm?.stop();
});

const model = "org/Model-7B";
const say = (word: string, fields: object = {}) =>
  post(gateway, "/v1/chat/completions", { model, messages: [{ role: "user", content: `Answer by ${word}` }], ...fields });
const answer = async (word: string, fields: object = {}) => told<ChatCompletion & Told>(say(word, fields));
const ask = (path: string, fields: object) => post(gateway, path, { model, ...fields });

test("its model is listed with its context", async () => {
  const { data } = await told(fetch(`${gateway.url}/v1/models`));
  expect(data).toMatchObject([{ id: model, context_length: 4096 }]);
});

describe("a chat", () => {
  test("has its text, its usage of the last chunk, and what was cached", async () => {
    expect(await answer("text")).toMatchObject({
      model,
      choices: [{ message: { content: "Hi you" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16, prompt_tokens_details: { cached_tokens: 8 } },
    });
  });

  test("is streamed", async () => {
    const read = await readStream(await say("text", { stream: true }));
    expect(read).toMatchObject({ text: "Hi you", done: true, error: undefined });
  });

  test("that a token ended, told by its number, is whole", async () => {
    expect((await answer("token")).choices[0]).toMatchObject({ message: { content: "Hi" }, finish_reason: "stop" });
  });

  test.each(["thought", "reasoning"])("has its thoughts, told as '%s'", async (word) => {
    const [choice] = (await answer(word)).choices;
    expect(choice!.message).toMatchObject({ content: "Yes", reasoning_content: "Hm" });
  });

  test("has its call, with the id that it was given there", async () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }];
    const [choice] = (await answer("call", { tools, tool_choice: "required" })).choices;
    expect(choice).toMatchObject({
      message: { tool_calls: [{ id: "chatcmpl-tool-1", function: { name: "f", arguments: '{"x": 1}' } }] },
      finish_reason: "tool_calls",
    });
    expect(vllm.asked.at(-1)!.body).toMatchObject({ tools, tool_choice: "required" });
  });

  test("that it refuses is told in its words, and it is asked again", async () => {
    const response = await say("long");
    expect(response.status).toBe(400);
    expect((await told(response)).error!.message).toMatch(/maximum context length is 4096/);
    expect((await say("text")).status).toBe(200);
  });

  test("that its engine did not survive is told what was said, then the failure", async () => {
    const read = await readStream(await say("broken", { stream: true }));
    expect(read).toMatchObject({ text: "Hi", done: false, error: { code: "upstream_failed" } });
  });
});

describe("what is answered at once", () => {
  test("vectors come in their order, whole, cut and as base64", async () => {
    const { data, usage } = await told<{ data: ReadonlyArray<{ embedding: number[] }>; usage: object }>(
      ask("/v1/embeddings", { input: ["a", "b"] }),
    );
    expect(data.map(({ embedding }) => embedding[2])).toEqual([0, 1]);
    expect(usage).toEqual({ prompt_tokens: 9, total_tokens: 9 });
    const cut = await told<typeof usage & { data: typeof data }>(ask("/v1/embeddings", { input: ["a", "b"], dimensions: 2 }));
    expect(cut.data[1]!.embedding.map((value) => value.toFixed(3))).toEqual(["0.600", "0.800"]);
    expect(vllm.asked.at(-1)).toEqual({ path: "/v1/embeddings", body: { model, input: ["a", "b"], encoding_format: "base64" } });
  });

  test("tokens and back", async () => {
    expect(await told(ask("/tokenize", { content: "Hi" }))).toEqual({ tokens: [72, 105] });
    expect(vllm.asked.at(-1)!.body).toEqual({ model, prompt: "Hi", add_special_tokens: false });
    expect(await told(ask("/detokenize", { tokens: [72, 105] }))).toEqual({ content: "Hi" });
  });

  test.each<[string, string, object]>([
    ["pieces, which it cannot tell", "/tokenize", { content: "Hi", with_pieces: true }],
    ["a route that this one was not started with", "/v1/rerank", { query: "q", documents: ["a"] }],
    ["the text of a prompt", "/apply-template", { messages: [{ role: "user", content: "Hi" }] }],
    ["a pooling of one's own", "/v1/embeddings", { input: "a", pooling: "cls" }],
  ])("%s: refused with words", async (_, path, fields) => {
    const response = await ask(path, fields);
    expect([response.status, (await told(response)).error?.code]).toEqual([400, "upstream_unsupported"]);
    expect((await say("text")).status).toBe(200);
  });
});
