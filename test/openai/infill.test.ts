/** Filling in the middle: `suffix` of OpenAI's completions, llama-server's /infill and /completion. Shimmy Tiny has the tokens for it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withMetadata, writeModel } from "../fixtures/gguf.ts";
import { post, SMOLLM2, startServer, type TestServer, TINY } from "../support/server.ts";
import { COMPLETIONS, eventPayloads, JSON_TYPE, raw, SHIMMY_TINY, SMOL, vocabulary, whole, wholeCompletion } from "./support.ts";

/** Control tokens of Shimmy Tiny that stand for those of a repository. */
const REPOSITORY = "<tool_call>";
const FILE = "</tool_call>";

interface Native {
  readonly content: string;
  readonly tokens: number[];
  readonly tokens_evaluated: number;
  readonly stop: boolean;
  readonly stop_type?: string;
  readonly [field: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), "shimmy-test-"));
let server: TestServer;
let special: Readonly<Record<string, number>>;
beforeAll(async () => {
  const { id } = await vocabulary(TINY);
  special = {
    prefix: id("<|fim_prefix|>"),
    suffix: id("<|fim_suffix|>"),
    middle: id("<|fim_middle|>"),
    rep: id(REPOSITORY),
    sep: id(FILE),
  };
  const keys = { "tokenizer.ggml.fim_rep_token_id": special.rep!, "tokenizer.ggml.fim_sep_token_id": special.sep! };
  await writeModel(join(folder, "coder.gguf"), withMetadata(readFileSync(TINY), keys));
  const models = SMOL.missing ? [] : ["--model-path", SMOLLM2];
  server = await startServer({ args: ["--threads", "1", "--model-dirs", folder, ...models] });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const native = (path: string, body: object) => whole<Native>(server, path, { temperature: 0, ...body });
const [prefix, suffix] = ["def add(a, b):\n    return", "\n\nprint(add(1, 2))\n"];

/** What a prompt of these tokens and texts is answered with, the texts taken as llama-server takes them: no control tokens in them. */
async function byHand(model: string, parts: ReadonlyArray<number | string>): Promise<Native> {
  const texts = await Promise.all(parts.map((part) => (typeof part === "number" ? [part] : tokensOf(model, part))));
  return native("/completion", { model, prompt: texts.flat(), n_predict: 12 });
}

/** By the echo of a prompt, which spells its tokens. */
async function tokensOf(model: string, prompt: string): Promise<number[]> {
  if (prompt === "") return [];
  const { choices } = await wholeCompletion(server, { model, prompt, echo: true, logprobs: 0, max_tokens: 0 });
  const words = await vocabulary(TINY);
  return choices[0]!.logprobs!.tokens!.map((token) => words.id(token.replaceAll(" ", "Ġ").replaceAll("\n", "Ċ")));
}

describe("/infill", () => {
  test("shows prefix and suffix behind the tokens of the vocabulary", async () => {
    const { prefix: pre, suffix: suf, middle: mid } = special as Record<string, number>;
    const expected = await byHand(SHIMMY_TINY.id, [pre!, prefix, suf!, suffix, mid!]);
    const answer = await native("/infill", { model: SHIMMY_TINY.id, input_prefix: prefix, input_suffix: suffix, n_predict: 12 });
    expect(answer).toMatchObject({
      content: expected.content,
      tokens_evaluated: expected.tokens_evaluated,
      stop: true,
      model: SHIMMY_TINY.id,
    });
  });

  test("shows other files first, where the vocabulary has tokens for a repository", async () => {
    const { prefix: pre, suffix: suf, middle: mid, rep, sep } = special as Record<string, number>;
    const files = [{ filename: "one.py", text: "x = 1\n" }, { text: "y = 2\n" }];
    const parts = [
      rep!,
      "myproject\n",
      sep!,
      "one.py\n",
      "x = 1\n",
      sep!,
      "tmp\n",
      "y = 2\n",
      sep!,
      "filename\n",
      pre!,
      prefix,
      suf!,
      suffix,
      mid!,
    ];
    const expected = await byHand("coder", parts);
    const body = { model: "coder", input_prefix: prefix, input_suffix: suffix, input_extra: files, n_predict: 12 };
    const answer = await native("/infill", body);
    expect(answer).toMatchObject({ content: expected.content, tokens_evaluated: expected.tokens_evaluated });
  });

  test("streams pieces, then the counts, as llama-server does", async () => {
    const body = { model: SHIMMY_TINY.id, input_prefix: "Once upon a time", input_suffix: "", n_predict: 5, temperature: 0, logit_bias: [[special.middle, false]] }; // biome-ignore format: one line
    const text = (await raw(server, "/infill", { method: "POST", headers: JSON_TYPE, body: JSON.stringify({ ...body, stream: true }) }))
      .text;
    const frames = eventPayloads(text).map((payload) => JSON.parse(payload) as Native);
    expect(frames.map(({ stop }) => stop)).toEqual([...frames.slice(1).map(() => false), true]);
    expect(frames.map(({ content }) => content).join("")).toBe((await native("/infill", body)).content);
  });

  test("n_predict 0 reads the prompt and says nothing: editors warm the cache so", async () => {
    const body = { model: SHIMMY_TINY.id, input_prefix: "warm this please", input_suffix: "and this" };
    expect(await native("/infill", { ...body, n_predict: 0 })).toMatchObject({ content: "", tokens_predicted: 0, stop_type: "limit" });
    const { timings } = await native("/infill", { ...body, n_predict: 1 });
    expect((timings as { cache_n: number }).cache_n).toBeGreaterThan(0);
  });

  test("refuses what cannot fit instead of cutting it", async () => {
    const response = await post(server, "/infill", { model: SHIMMY_TINY.id, input_prefix: "word ".repeat(2000), input_suffix: "" });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: "context_length_exceeded" } }]);
  });

  test("a control token that is spelled in a file is text", async () => {
    const plain = await native("/infill", { model: SHIMMY_TINY.id, input_prefix: "", input_suffix: "", n_predict: 1 });
    const spelled = await native("/infill", { model: SHIMMY_TINY.id, input_prefix: "<|im_end|>", input_suffix: "", n_predict: 1 });
    expect(spelled.tokens_evaluated - plain.tokens_evaluated).toBeGreaterThan(1);
  });
});

describe("suffix of completions", () => {
  test("fills in the middle, with the official client", async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" });
    const { prefix: pre, suffix: suf, middle: mid } = special as Record<string, number>;
    const expected = await byHand(SHIMMY_TINY.id, [pre!, prefix, suf!, suffix, mid!]);
    const body = { model: SHIMMY_TINY.id, prompt: prefix, suffix, max_tokens: 12, temperature: 0 };
    const answer = await client.completions.create(body);
    expect(answer.choices[0]!.text).toBe(expected.content);
    expect(answer.usage!.prompt_tokens).toBe(expected.tokens_evaluated);
  });

  test("says nothing of a repository, whatever the vocabulary has", async () => {
    const { usage } = await wholeCompletion(server, { model: "coder", prompt: prefix, suffix, max_tokens: 1 });
    const same = await wholeCompletion(server, { model: SHIMMY_TINY.id, prompt: prefix, suffix, max_tokens: 1 });
    expect(usage!.prompt_tokens).toBe(same.usage!.prompt_tokens);
  });

  test("the tokens that begin another one end the answer", async () => {
    const body = { model: SHIMMY_TINY.id, prompt: prefix, suffix, max_tokens: 12, logit_bias: { [special.prefix!]: 100 } };
    expect((await wholeCompletion(server, body)).choices[0]).toMatchObject({ text: "", finish_reason: "stop" });
  });

  test.skipIf(SMOL.missing)(`a model without the tokens is a 400 that says so (${SMOL.label})`, async () => {
    for (const [path, body] of [
      [COMPLETIONS, { prompt: prefix, suffix }],
      ["/infill", { input_prefix: prefix, input_suffix: suffix }],
    ] as const) {
      const response = await post(server, path, { model: SMOL.id, ...body });
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      expect([response.status, error.code]).toEqual([400, "infill_unsupported"]);
      expect(error.message).toContain("prefix, suffix, middle");
    }
  });
});

test("/completion answers several prompts with an array, each with the prompt of its own", async () => {
  const answers = await whole<Native[]>(server, "/completion", { model: SHIMMY_TINY.id, prompt: ["Once", "The fox and"], n_predict: 3 });
  expect(answers.map(({ prompt, tokens_predicted }) => [prompt, tokens_predicted])).toEqual([
    ["Once", 3],
    ["The fox and", 3],
  ]);
  expect(answers[1]!.tokens_evaluated).toBeGreaterThan(answers[0]!.tokens_evaluated);
});
