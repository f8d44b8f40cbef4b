/** A gateway before llama.cpp's own server: what that answers is told here, and the gateway outlives it. */
import type { ChatCompletion } from "openai/resources/chat/completions";
import type { Completion } from "openai/resources/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MINILM, post, SMOLLM2, type TestServer, TINY, until } from "../support/server.ts";
import { type LlamaServer, NO_LLAMA_SERVER, startLlamaServer } from "./llama-server.ts";
import { gatewayBefore, QUESTION, readStream, type Told, told } from "./support.ts";
import { TOOLS_TEMPLATE } from "./tools-template.ts";

const CHAT_FLAGS = ["--chat-template", TOOLS_TEMPLATE];

describe.skipIf(NO_LLAMA_SERVER)(`before llama-server${NO_LLAMA_SERVER ? ` (skipped: ${NO_LLAMA_SERVER})` : ""}`, () => {
  let chats: LlamaServer;
  let vectors: LlamaServer;
  /** Of a model with the tokens for it. */
  let filler: LlamaServer;
  let fillerModel: string;
  let gateway: TestServer;
  let model: string;
  let embedder: string;

  beforeAll(async () => {
    [chats, vectors, filler] = await Promise.all([
      startLlamaServer(SMOLLM2, CHAT_FLAGS),
      startLlamaServer(MINILM, ["--embeddings", "-b", "512", "-ub", "512"]),
      startLlamaServer(TINY),
    ]);
    gateway = await gatewayBefore([chats.url, vectors.url, filler.url]);
    const { data } = await told(fetch(`${gateway.url}/v1/models`));
    [model, embedder, fillerModel] = [/smollm/i, /minilm/i, /tiny/i].map((name) => data.find(({ id }) => name.test(id))!.id) as [
      string,
      string,
      string,
    ];
  }, 60_000);
  afterAll(async () => {
    await gateway?.stop();
    await Promise.all([chats, vectors, filler].map((server) => server?.kill()));
  });

  const send = (fields: object) => post(gateway, "/v1/chat/completions", { model, ...QUESTION, ...fields });
  const chat = async (fields: object) => told<ChatCompletion & Told>(send(fields));
  const directly = async <T>(path: string, body: object, server = chats) => told<T>(post({ url: server.url } as TestServer, path, body));

  test("a chat is its answer, whole and streamed, with usage", async () => {
    const there = await directly<ChatCompletion>("/v1/chat/completions", { ...QUESTION, max_tokens: 12 });
    const whole = await chat({ max_tokens: 12 });
    expect(whole.choices[0]).toMatchObject({
      message: { content: there.choices[0]!.message.content },
      finish_reason: there.choices[0]!.finish_reason,
    });
    const { prompt_tokens, completion_tokens } = there.usage!;
    expect(whole.usage).toMatchObject({ prompt_tokens, completion_tokens });
    // Its prompt was computed a moment ago.
    expect(whole.usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(0);
    const read = await readStream(await send({ max_tokens: 12, stream: true }));
    expect(read).toMatchObject({ text: whole.choices[0]!.message.content, done: true, error: undefined });
    expect(read.pieces).toBeGreaterThan(3);
  });

  // Not that one is called: llama-server b11669, asked directly, let this small model talk instead, for 100 tokens.
  test("tools reach its template, and the answer is its answer", async () => {
    const parameters = { type: "object", properties: { on: { type: "boolean" } }, required: ["on"], additionalProperties: false };
    const tools = [{ type: "function", function: { name: "set_light", description: "Switches the light.", parameters } }];
    const fields = { ...QUESTION, tools, tool_choice: "required", max_tokens: 24 };
    const there = await directly<ChatCompletion>("/v1/chat/completions", fields);
    const here = await chat(fields);
    expect(here.choices[0]).toMatchObject({ message: { content: there.choices[0]!.message.content }, finish_reason: "length" });
    expect(here.usage!.prompt_tokens).toBe(there.usage!.prompt_tokens);
    expect(here.usage!.prompt_tokens).toBeGreaterThan((await chat({ max_tokens: 1 })).usage!.prompt_tokens + 50);
  });

  test("JSON is of its schema", async () => {
    const schema = { type: "object", properties: { n: { enum: [1, 2] } }, required: ["n"], additionalProperties: false };
    const [choice] = (await chat({ response_format: { type: "json_schema", json_schema: { name: "x", schema } }, max_tokens: 60 })).choices;
    expect([1, 2]).toContain(JSON.parse(choice!.message.content!).n);
  });

  test("log probabilities are those of the text", async () => {
    const [choice] = (await chat({ max_tokens: 4, logprobs: true, top_logprobs: 2 })).choices;
    const { content } = choice!.logprobs!;
    expect(content!.map(({ token }) => token).join("")).toBe(choice!.message.content);
    for (const { logprob, top_logprobs } of content!) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs).toHaveLength(2);
    }
  });

  test("several choices, a seed and a stop string do what they do there", async () => {
    const fields = { n: 2, seed: 7, temperature: 1, max_tokens: 8 };
    const { choices, usage } = await chat(fields);
    expect(choices.map(({ index }) => index)).toEqual([0, 1]);
    for (const { message } of choices) expect(message.content).not.toBe("");
    expect(usage!.completion_tokens).toBeGreaterThan(8);
    const [a, b] = [await chat({ ...fields, n: 1, cache_prompt: false }), await chat({ ...fields, n: 1, cache_prompt: false })];
    expect(a.choices[0]!.message.content).toBe(b.choices[0]!.message.content);
    const free = (await chat({ max_tokens: 12 })).choices[0]!.message.content!;
    const stop = free.trim().split(" ")[2]!;
    const [stopped] = (await chat({ max_tokens: 12, stop: [stop] })).choices;
    expect(stopped).toMatchObject({ finish_reason: "stop", message: { content: free.slice(0, free.indexOf(stop)) } });
  });

  test("a text, several of them, and its tokens and back", async () => {
    const one = { prompt: "Once upon a time", max_tokens: 6, temperature: 0 };
    const there = await directly<Completion>("/v1/completions", one);
    const here = await told<Completion>(post(gateway, "/v1/completions", { model, ...one, prompt: [one.prompt, "The sea"] }));
    expect(here.choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(here.choices[0]!.text).toBe(there.choices[0]!.text);
    const { tokens } = await told<{ tokens: number[] }>(post(gateway, "/tokenize", { model, content: one.prompt }));
    expect({ tokens }).toEqual(await directly("/tokenize", { content: one.prompt }));
    expect(await told(post(gateway, "/detokenize", { model, tokens }))).toEqual({ content: one.prompt });
    const { prompt } = await told<{ prompt: string }>(post(gateway, "/apply-template", { model, ...QUESTION }));
    expect(prompt).toContain("Say something.");
  });

  test("its properties, but for the paths of its disk", async () => {
    const there = await told<Record<string, unknown>>(fetch(`${chats.url}/props`));
    expect(there.model_path).toMatch(/\//);
    const response = await fetch(`${gateway.url}/props?model=${encodeURIComponent(model)}`);
    const here = await told<Record<string, unknown>>(response);
    for (const name of ["total_slots", "chat_template", "bos_token", "eos_token"]) expect([name, here[name]]).toEqual([name, there[name]]);
    const settings = (answer: Record<string, unknown>) =>
      answer.default_generation_settings as { n_ctx: number; params: Record<string, number> };
    expect(settings(here).n_ctx).toBe(settings(there).n_ctx);
    for (const name of ["temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "seed", "n_predict"])
      expect([name, settings(here).params[name]]).toEqual([name, settings(there).params[name]]);
    expect(here.model_path).toBe(model);
  });

  test("vectors are its vectors", async () => {
    type Vectors = { data: ReadonlyArray<{ embedding: number[] }>; usage: { prompt_tokens: number } };
    const input = ["Hello", "a dog in the sea"];
    const there = await directly<Vectors>("/v1/embeddings", { input }, vectors);
    const here = await told<Vectors>(post(gateway, "/v1/embeddings", { model: embedder, input }));
    expect(here.usage.prompt_tokens).toBe(there.usage.prompt_tokens);
    for (const [index, { embedding }] of here.data.entries()) {
      const other = there.data[index]!.embedding;
      expect(embedding).toHaveLength(other.length);
      expect(Math.max(...embedding.map((value, i) => Math.abs(value - other[i]!)))).toBeLessThan(1e-4);
    }
    const short = await told<Vectors>(post(gateway, "/v1/embeddings", { model: embedder, input, dimensions: 16 }));
    expect(short.data[0]!.embedding).toHaveLength(16);
  });

  test("a gap is its gap, with other files and without, whole and streamed", async () => {
    const gap = {
      input_prefix: "Once upon a ",
      input_suffix: " there was",
      n_predict: 8,
      temperature: 0,
      seed: 1,
      ignore_eos: true,
      cache_prompt: false,
    };
    const extra = { input_extra: [{ filename: "a.txt", text: "A story.\n" }] };
    for (const fields of [{ ...gap, ...extra }, gap, { ...gap, n_probs: 2 }]) {
      const there = await directly<Record<string, unknown>>("/infill", fields, filler);
      expect(there.content).not.toBe("");
      const here = await told<Record<string, unknown>>(post(gateway, "/infill", { model: fillerModel, ...fields }));
      for (const name of ["content", "tokens_predicted", "tokens_evaluated", "stop_type"])
        expect([name, here[name]]).toEqual([name, there[name]]);
      expect((here.completion_probabilities as unknown[] | undefined)?.length).toBe(
        (there.completion_probabilities as unknown[] | undefined)?.length,
      );
      const text = await (await post(gateway, "/infill", { model: fillerModel, ...fields, stream: true })).text();
      const frames = text.split("\n").flatMap((line) => (line.startsWith("data: ") ? [JSON.parse(line.slice(6))] : []));
      expect(frames.map(({ content }) => content).join("")).toBe(there.content);
    }
    const body = {
      model: fillerModel,
      prompt: gap.input_prefix,
      suffix: gap.input_suffix,
      max_tokens: 8,
      temperature: 0,
      ignore_eos: true,
    };
    const suffixed = await told<Completion>(post(gateway, "/v1/completions", body));
    expect(suffixed.choices[0]!.text).toBe((await directly<{ content: string }>("/infill", gap, filler)).content);
  });

  test("vectors of one that was not started for them, and a prompt that is too long, are refusals; it is still asked", async () => {
    const noVectors = await post(gateway, "/v1/embeddings", { model, input: "x" });
    expect([noVectors.status, (await told(noVectors)).error?.code]).toEqual([400, "upstream_refused"]);
    const long = await send({ messages: [{ role: "user", content: "word ".repeat(3000) }] });
    expect(long.status).toBe(400);
    expect((await told(long)).error).toMatchObject({ code: "context_length_exceeded", n_ctx: expect.any(Number) });
    for (let i = 0; i < 3; i++) await post(gateway, "/v1/embeddings", { model, input: "x" });
    expect((await send({ max_tokens: 1 })).status).toBe(200);
  });

  test("killed in mid-stream it is told as a failure; started again it answers again", async () => {
    const response = await send({
      max_tokens: 400,
      stream: true,
      temperature: 1,
      messages: [{ role: "user", content: "Tell a long story." }],
    });
    const reader = response.body!.getReader();
    const first = await reader.read();
    await chats.kill();
    const parts = [first.value!];
    for (let read = await reader.read(); !read.done; read = await reader.read()) parts.push(read.value);
    const read = await readStream(new Response(Buffer.concat(parts)));
    expect(read).toMatchObject({ done: false, error: { code: "upstream_failed" } });
    expect((await send({ max_tokens: 1 })).status).toBe(502);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    chats = await startLlamaServer(SMOLLM2, CHAT_FLAGS, chats.port);
    await until(async () => (await send({ max_tokens: 1 })).status === 200);
  }, 60_000);
});
