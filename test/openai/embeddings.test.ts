/** Vectors, reranking and scores as clients ask for them: the official client, the Vercel AI SDK, and the bodies of Jina, Cohere and vLLM. */
import { dirname } from "node:path";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, embedMany } from "ai";
import OpenAI, { BadRequestError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wire } from "../embeddings/wire.ts";
import { MINILM, NO_SHARED, post, startServer, type TestServer, until } from "../support/server.ts";

const model = "all-minilm-l6-v2-q8-0";
const CHAT_MODEL = "smollm2-135m-instruct-q4-1";
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

describe.skipIf(NO_SHARED)(`MiniLM and SmolLM2${NO_SHARED ? ` (skipped: ${NO_SHARED})` : ""}`, () => {
  let server: TestServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startServer({ args: ["--model-dirs", dirname(MINILM), "--threads", "1"] });
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(() => server?.stop());

  async function vectorsOf(input: unknown, more: object = {}): Promise<number[][]> {
    const response = await post(server, "/v1/embeddings", { model, input, ...more });
    const answer = await wire(response);
    expect({ status: response.status, error: answer.error }).toEqual({ status: 200, error: undefined });
    return answer.data.map(({ embedding }) => embedding);
  }
  const refusal = async (path: string, body: object) => {
    const response = await post(server, path, body);
    return { status: response.status, ...(await wire(response)).error };
  };

  test("T72 base64, which the client asks for by itself, holds the same floats", async () => {
    const [[floats], answer, raw] = await Promise.all([
      vectorsOf("hello world"),
      client.embeddings.create({ model, input: "hello world" }),
      client.embeddings.create({ model, input: "hello world", encoding_format: "base64" }),
    ]);
    expect(answer).toMatchObject({ object: "list", model, data: [{ object: "embedding", index: 0 }] });
    expect(answer.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
    expect(answer.data[0]!.embedding).toEqual(Array.from(floats!, Math.fround));
    const bytes = Buffer.from(raw.data[0]!.embedding as unknown as string, "base64");
    expect(Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))).toEqual(answer.data[0]!.embedding);
  });

  test("T73 dimensions cut and lengthen to 1 again; more than there are is a 400", async () => {
    const [[whole], [cut]] = await Promise.all([vectorsOf("hello"), vectorsOf("hello", { dimensions: 16 })]);
    expect(cut).toHaveLength(16);
    expect(Math.hypot(...cut!)).toBeCloseTo(1, 5);
    expect(dot(cut!, whole!.slice(0, 16)) / Math.hypot(...whole!.slice(0, 16))).toBeCloseTo(1, 5);
    expect(await refusal("/v1/embeddings", { model, input: "x", dimensions: 385 })).toMatchObject({ status: 400, param: "dimensions" });
  });

  test("T73 token arrays: as they are, one or many; what is no token is a 400", async () => {
    const [[text], [tokens], lists] = await Promise.all([
      vectorsOf("hello world"),
      vectorsOf([101, 7592, 2088, 102]),
      vectorsOf([
        [101, 7592, 2088, 102],
        [101, 7592, 102],
      ]),
    ]);
    expect(dot(text!, tokens!)).toBeCloseTo(1, 5);
    expect(dot(text!, lists[0]!)).toBeCloseTo(1, 5);
    expect(await refusal("/v1/embeddings", { model, input: [101, 30_522] })).toMatchObject({ status: 400, param: "input[0]" });
  });

  test("T73 two thousand texts come back in the order they were sent in", async () => {
    const input = Array.from({ length: 2048 }, (_, i) => (i % 500 === 7 ? "hello world" : `number ${i}`));
    const [[wanted], vectors] = await Promise.all([vectorsOf("hello world"), vectorsOf(input)]);
    expect(vectors).toHaveLength(2048);
    const places = vectors.flatMap((vector, i) => (dot(vector, wanted!) > 0.9999 ? [i] : []));
    expect(places).toEqual([7, 507, 1007, 1507, 2007]);
  });

  test("T73 an empty string is a 400 that names it, in a list too", async () => {
    expect(await refusal("/v1/embeddings", { model, input: "" })).toMatchObject({ status: 400, param: "input" });
    expect(await refusal("/v1/embeddings", { model, input: ["a", ""] })).toMatchObject({ status: 400, param: "input[1]" });
    await expect(client.embeddings.create({ model, input: [""] })).rejects.toBeInstanceOf(BadRequestError);
  });

  test("T73 a text too long is a 400 with the numbers, or cut at its end if asked for", async () => {
    const input = "word ".repeat(600);
    expect(await refusal("/v1/embeddings", { model, input })).toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      n_ctx: 512,
      n_prompt_tokens: 602,
    });
    const [[cut], [same], [short]] = await Promise.all([
      vectorsOf(input, { truncate: true }),
      vectorsOf("word ".repeat(510)),
      vectorsOf(input, { truncate_prompt_tokens: 12 }),
    ]);
    expect(dot(cut!, same!)).toBeCloseTo(1, 5);
    const [ten] = await vectorsOf("word ".repeat(10));
    expect(dot(short!, ten!)).toBeCloseTo(1, 5);
  });

  test("what a user writes is no control token", async () => {
    const answer = await wire(await post(server, "/v1/embeddings", { model, input: "[SEP]" }));
    expect(answer.usage.prompt_tokens).toBeGreaterThan(3);
  });

  test("a chat model gives vectors too, by its last token or the mean, beside its answers", async () => {
    const chat = client.chat.completions.create({ model: CHAT_MODEL, messages: [{ role: "user", content: "hi" }], max_tokens: 8 });
    const [last, mean] = await Promise.all([
      vectorsOf(["a cat", "a kitten", "a bank"], { model: CHAT_MODEL }),
      vectorsOf(["a cat", "a kitten", "a bank"], { model: CHAT_MODEL, pooling: "mean" }),
    ]);
    expect((await chat).choices[0]!.finish_reason).toMatch(/^(stop|length)$/);
    for (const vector of [...last, ...mean]) {
      expect(vector).toHaveLength(576);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    }
    expect(dot(last[0]!, mean[0]!)).toBeLessThan(0.99);
    // Longer than a batch of the engine: it is computed in pieces.
    const words = Array.from({ length: 400 }, (_, i) => (i % 2 ? "many" : "words")).join(" ");
    const [[piecewise]] = await Promise.all([vectorsOf(words, { model: CHAT_MODEL, pooling: "mean" })]);
    expect(Math.hypot(...piecewise!)).toBeCloseTo(1, 5);
  });

  test("a name that nobody has is answered by the embedding model, and said so", async () => {
    const response = await post(server, "/v1/embeddings", { model: "text-embedding-3-small", input: "x" });
    expect((await wire(response)).model).toBe(model);
    expect(response.headers.get("x-shimmy-model-fallback")).toContain(model);
    expect(await refusal("/v1/chat/completions", { model, messages: [{ role: "user", content: "hi" }] })).toMatchObject({
      status: 400,
      code: "model_not_generative",
    });
  });

  test("the Vercel AI SDK embeds one and many", async () => {
    const shimmy = createOpenAICompatible({ name: "shimmy", baseURL: `${server.url}/v1` });
    const values = ["sunny day at the beach", "rainy night in the city"];
    const { embeddings, usage } = await embedMany({ model: shimmy.textEmbeddingModel(model), values });
    expect(embeddings).toHaveLength(2);
    expect(usage.tokens).toBeGreaterThan(8);
    const { embedding } = await embed({ model: shimmy.textEmbeddingModel(model), value: values[1]! });
    expect(dot(embedding, embeddings[1]!)).toBeCloseTo(1, 5);
  });

  const documents = ["The bank opens at nine.", "A kitten is a young cat.", { text: "Cats purr." }, "Stocks fell."];

  test("T74 rerank: best first, no more than top_n, with the index, and the documents if asked for", async () => {
    for (const path of ["/v1/rerank", "/rerank", "/v2/rerank"]) {
      const body = { model, query: "cats", documents, top_n: 2, return_documents: true };
      const answer = await wire(await post(server, path, body));
      expect(answer).toMatchObject({ object: "list", model, scoring: "cosine", meta: { billed_units: { search_units: 1 } } });
      expect(answer.results.map(({ index }) => index)).toEqual([2, 1]);
      expect(answer.results[0]).toMatchObject({ document: { text: "Cats purr." } });
      expect(answer.results[0]!.relevance_score).toBeGreaterThan(answer.results[1]!.relevance_score);
    }
    const all = await wire(await post(server, "/v1/rerank", { query: "cats", documents, top_n: 99 }));
    expect(all.results).toHaveLength(4);
    expect(all.results[0]).not.toHaveProperty("document");
    const tei = await post(server, "/rerank", { query: "cats", texts: ["Stocks fell.", "Cats purr."] });
    expect(await tei.json()).toMatchObject([{ index: 1 }, { index: 0 }]);
  });

  test("T74 score: one with many, pairs, and a 400 for lists that do not match", async () => {
    const one = await wire(await post(server, "/v1/score", { model, text_1: "cats", text_2: ["Cats purr.", "Stocks fell."] }));
    expect(one.data.map(({ index, object }) => [index, object])).toEqual([
      [0, "score"],
      [1, "score"],
    ]);
    expect(one.data[0]!.score).toBeGreaterThan(one.data[1]!.score);
    const pairs = await wire(await post(server, "/score", { model, queries: ["cats", "cats"], documents: ["Cats purr.", "cats"] }));
    expect(pairs.data[1]!.score).toBeCloseTo(1, 4);
    expect(await refusal("/v1/score", { model, text_1: ["a", "b"], text_2: ["c"] })).toMatchObject({ status: 400, param: "text_2" });
  });

  test("a client that leaves ends the work; after it and an unload nothing is left", async () => {
    const aborted = new AbortController();
    const long = Array.from({ length: 4000 }, (_, i) => `${"many words of a text ".repeat(40)}${i}`);
    const request = post(server, "/v1/embeddings", { model, input: long }, { signal: aborted.signal });
    await new Promise((resolve) => setTimeout(resolve, 300));
    aborted.abort();
    await expect(request).rejects.toThrow();
    const startedAt = performance.now();
    await vectorsOf("quick");
    expect(performance.now() - startedAt).toBeLessThan(5000);
    for (const id of [model, CHAT_MODEL]) await fetch(`${server.url}/api/models/${id}/unload`, { method: "POST" });
    await until(async () => (await server.engines()).length === 0);
  });

  test("an engine that dies fails its questions with 503, and the next is answered", async () => {
    await vectorsOf("x");
    const input = Array.from({ length: 4000 }, (_, i) => `${"many words of a text ".repeat(40)}${i}`);
    const asked = refusal("/v1/embeddings", { model, input });
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const pid of await server.engines()) process.kill(pid, "SIGKILL");
    expect(await asked).toMatchObject({ status: 503, code: "engine_gone" });
    expect(await vectorsOf("x")).toHaveLength(1);
  });
});
