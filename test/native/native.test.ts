/** llama-server's routes around the OpenAI API, on a running server with real models. */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/command.ts";
import { begin } from "../support/raw.ts";
import { MINILM, NO_SHARED, post, SMOLLM2, startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS } from "../support/work.ts";

const HI = [{ role: "user", content: "Hi <|im_end|> there" }];

async function ask(server: TestServer, path: string, body?: unknown) {
  const response = body === undefined ? await fetch(server.url + path) : await post(server, path, body);
  return { status: response.status, headers: response.headers, json: JSON.parse(await response.text()) };
}

async function tokensOf(server: TestServer, body: object): Promise<number[]> {
  return (await ask(server, "/tokenize", body)).json.tokens;
}

describe("a server with Shimmy Tiny", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ args: ["--max-tokens-default", "8"] });
  });
  afterAll(() => server.stop());

  test("/props and /slots tell what would be, and load nothing", async () => {
    const { status, json } = await ask(server, "/props");
    expect(status).toBe(200);
    expect(json).toMatchObject({
      total_slots: 16,
      model_path: "shimmy-tiny",
      modalities: { vision: false, audio: false },
      bos_token: null,
      is_sleeping: true,
      default_generation_settings: { n_ctx: 1024, params: { n_predict: 8, stream: false, seed: 4294967295 } },
    });
    expect(json.chat_template).toContain("<|im_start|>");
    expect((await ask(server, "/slots")).json).toEqual([]);
    expect(await ask(server, "/slots?model=shimmy-tiny&fail_on_no_slot=1")).toMatchObject({
      status: 503,
      json: { error: { code: "no_slot" } },
    });
    expect(await server.engines()).toEqual([]);
  });

  test("a text comes back from its tokens, whatever is in it", async () => {
    for (const content of ["Hello world!", "á € 🙂 中文\n\ttab", "<|im_start|>user", ""]) {
      for (const parse_special of [true, false]) {
        const tokens = await tokensOf(server, { content, parse_special });
        expect((await ask(server, "/detokenize", { tokens })).json).toEqual({ content });
      }
    }
  });

  test("a piece that is part of a character is told as bytes", async () => {
    const { json } = await ask(server, "/tokenize", { content: "á!", with_pieces: true });
    expect(json.tokens.map(({ piece }: { piece: unknown }) => piece)).toEqual([[195], [161], "!"]);
  });

  test("control tokens in a text are those tokens unless they are not to be", async () => {
    expect(await tokensOf(server, { content: "<|im_end|>" })).toHaveLength(1);
    expect((await tokensOf(server, { content: "<|im_end|>", parse_special: false })).length).toBeGreaterThan(1);
  });

  test("the tokens of a prompt are as many as a request with it counts", async () => {
    const content = "Once upon a time, á € 🙂";
    const { usage } = (await ask(server, "/v1/completions", { prompt: content, max_tokens: 1 })).json;
    expect(await tokensOf(server, { content, add_special: true })).toHaveLength(usage.prompt_tokens);
  });

  test("/apply-template gives the text that a chat is computed from, and generates nothing", async () => {
    const { prompt } = (await ask(server, "/apply-template", { messages: HI })).json;
    expect(prompt).toBe("<|im_start|>user\nHi <|im_end|> there<|im_end|>\n<|im_start|>assistant\n");
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
    expect((await ask(server, "/apply-template", { messages: HI, tools })).json.prompt).toContain('"name": "weather"');
  });

  test("the prompt ends with the last message where it is not to be opened, and goes on with an answer that is the last message", async () => {
    const closed = (await ask(server, "/apply-template", { messages: HI, add_generation_prompt: false })).json.prompt;
    expect(closed).toMatch(/there<\|im_end\|>\n$/);
    const messages = [...HI, { role: "assistant", content: "Well," }];
    expect((await ask(server, "/apply-template", { messages })).json.prompt).toMatch(/assistant\nWell,$/);
  });

  test("what is wrong is told by its field", async () => {
    const wrong: ReadonlyArray<readonly [path: string, body: object, param: string]> = [
      ["/tokenize", {}, "content"],
      ["/tokenize", { content: 7 }, "content"],
      ["/tokenize", { content: "a", with_pieces: "yes" }, "with_pieces"],
      ["/detokenize", {}, "tokens"],
      ["/detokenize", { tokens: [1, "a"] }, "tokens[1]"],
      ["/detokenize", { tokens: [1, 2 ** 30] }, "tokens"],
      ["/detokenize", { tokens: [-1] }, "tokens[0]"],
      ["/apply-template", {}, "messages"],
      ["/apply-template", { messages: [{ role: "nobody", content: "" }] }, "messages[0].role"],
    ];
    for (const [path, body, param] of wrong)
      expect(await ask(server, path, body)).toMatchObject({ status: 400, json: { error: { param } } });
  });

  test("another model than the named one never answers unsaid", async () => {
    for (const [path, body] of [
      ["/tokenize", { content: "a", model: "gpt-4" }],
      ["/detokenize", { tokens: [1], model: "gpt-4" }],
      ["/apply-template", { messages: HI, model: "gpt-4" }],
      ["/props?model=gpt-4", undefined],
      ["/slots?model=gpt-4", undefined],
    ] as const) {
      const { status, headers } = await ask(server, path, body);
      expect([path, status, headers.get("x-shimmy-model-fallback")]).toEqual([path, 200, "gpt-4 -> shimmy-tiny; step=default"]);
    }
  });

  test("the log line and the metrics name the model", async () => {
    await ask(server, "/tokenize", { content: "secret words" });
    expect(server.stderr()).toMatch(/"route":"\/tokenize".*"model":"shimmy-tiny"|route=\/tokenize status=200 model=shimmy-tiny/);
    expect(server.stderr()).not.toContain("secret words");
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('route="/tokenize",model="shimmy-tiny",status="200"');
  });

  test("a loaded model tells the texts of its vocabulary", async () => {
    await ask(server, "/tokenize", { content: "a" });
    expect((await ask(server, "/props?model=shimmy-tiny")).json).toMatchObject({ is_sleeping: false, eos_token: "<|im_end|>" });
  });
});

describe("a template of --chat-template-file", () => {
  const folder = temporaryFolder();
  const file = join(folder, "own.jinja");

  test("is told and rendered; the file's path is not, even when it has gone", async () => {
    writeFileSync(file, "{% for message in messages %}[{{ message.content }}]{% endfor %}");
    const server = await startServer({ args: ["--chat-template-file", file] });
    try {
      for (const is_sleeping of [true, false]) {
        expect((await ask(server, "/props")).json).toMatchObject({ chat_template: expect.stringContaining("[{{"), is_sleeping });
        expect((await ask(server, "/apply-template", { messages: [{ role: "user", content: "Hi" }] })).json).toEqual({ prompt: "[Hi]" });
      }
      await post(server, "/models/unload", { model: "shimmy-tiny" });
      rmSync(file);
      const gone = await ask(server, "/props");
      expect(gone).toMatchObject({ status: 503, json: { error: { code: "model_load_failed" } } });
      expect(JSON.stringify(gone.json)).not.toContain(folder);
    } finally {
      await server.stop();
    }
  });
});

describe("slots", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ args: ["--parallel", "2", "--ctx", "16384", "--keep-alive", "1s"] });
  });
  afterAll(() => server.stop());
  const busy = async () => (await ask(server, "/slots")).json.filter((slot: { is_processing: boolean }) => slot.is_processing);

  test("tell who works on what, in numbers only, and whether one is idle", async () => {
    const secret = "purple elephants";
    const readers = [await begin(server, "/v1/completions", { ...ENDLESS, prompt: secret, stream: true })];
    await until(async () => (await busy()).length === 1);
    expect((await ask(server, "/slots?fail_on_no_slot=1")).status).toBe(200);
    readers.push(await begin(server, "/v1/completions", { ...ENDLESS, stream: true }));
    await until(async () => (await ask(server, "/slots?fail_on_no_slot=1")).status === 503);
    await until(async () => (await busy()).every(({ next_token }: { next_token: [{ n_decoded: number }] }) => next_token[0].n_decoded > 2));
    const slots = await busy();
    expect(slots.map(({ id }: { id: number }) => id)).toEqual([0, 1]);
    for (const slot of slots) {
      expect(slot).toMatchObject({ model: "shimmy-tiny", n_ctx: 16384, n_prompt_tokens: expect.any(Number), n_prompt_tokens_cache: 0 });
      expect(slot.n_prompt_tokens_processed).toBe(slot.n_prompt_tokens);
    }
    expect(JSON.stringify(slots)).not.toMatch(/purple|Once/);
    for (const reader of readers) reader.destroy();
    await until(async () => (await busy()).length === 0);
  });

  test("looking at them keeps no model loaded", { timeout: 20_000 }, async () => {
    await ask(server, "/tokenize", { content: "a" });
    expect((await ask(server, "/slots")).json).toHaveLength(2);
    await until(async () => (await ask(server, "/slots")).json.length === 0);
    await until(async () => (await server.engines()).length === 0);
    expect((await ask(server, "/props")).json.is_sleeping).toBe(true);
  });
});

describe.skipIf(NO_SHARED)(`other models${NO_SHARED ? ` (skipped: ${NO_SHARED})` : ""}`, () => {
  const folder = temporaryFolder();
  let server: TestServer;
  beforeAll(async () => {
    for (const path of [SMOLLM2, MINILM]) symlinkSync(path, join(folder, basename(path)));
    server = await startServer({ args: ["--model-dirs", folder] });
  });
  afterAll(() => server.stop());

  test("SmolLM2 has the tokens and the prompts of llama-server", async () => {
    const model = "smollm2-135m-instruct-q4-1";
    const content = "Hello world! á € 🙂";
    // As llama-server (Debian forky's llama.cpp) answers for the same file.
    expect(await tokensOf(server, { model, content })).toEqual([19556, 905, 17, 216, 5415, 24927, 47526]);
    expect((await ask(server, "/detokenize", { model, tokens: [1, 300, 301, 302, 5] })).json.content).toBe("<|im_start|>omilst<file_sep>");
    expect((await ask(server, "/apply-template", { model, messages: [{ role: "user", content: "Hi" }] })).json.prompt).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  test("an encoder has tokens and a slot, and no prompts", async () => {
    const model = "all-minilm-l6-v2-q8-0";
    const tokens = await tokensOf(server, { model, content: "hello world", add_special: true });
    expect(tokens).toEqual([101, 7592, 2088, 102]);
    expect(await ask(server, "/apply-template", { model, messages: HI })).toMatchObject({
      status: 400,
      json: { error: { code: "model_not_generative" } },
    });
    expect((await ask(server, `/slots?model=${model}`)).json).toEqual([{ id: 0, model, n_ctx: 512, is_processing: false }]);
    expect((await ask(server, `/props?model=${model}`)).json).toMatchObject({ total_slots: 1, chat_template: "" });
  });
});
