/** One engine serves a model and its LoRA adapters: each answer is what it would be alone, whoever else asks for what. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChatCompletion } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WireModel } from "../../src/protocols/openai/index.ts";
import { loraFor } from "../fixtures/lora.ts";
import { shimmy } from "../support/command.ts";
import { askJson } from "../support/raw.ts";
import { post, startServer, type TestServer, TINY } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-lora-"));
const file = (name: string) => join(folder, `${name}.gguf`);
let server: TestServer;
let plain: TestServer;
beforeAll(async () => {
  writeFileSync(file("pirate"), await loraFor(TINY));
  writeFileSync(file("Poet+1"), await loraFor(TINY, { seed: 2, type: "q8_0", rank: 32, strength: 0.25 }));
  const lora = [file("pirate"), file("Poet+1"), `${file("pirate")}=0`].flatMap((path) => ["--lora", path]);
  [server, plain] = await Promise.all([startServer({ args: lora }), startServer()]);
});
afterAll(async () => {
  await Promise.all([server.stop(), plain.stop()]);
  rmSync(folder, { recursive: true });
});

const NAMES = ["shimmy-tiny", "shimmy-tiny+pirate", "shimmy-tiny+poet-1", "shimmy-tiny+pirate-2"];
const PROMPTS = ["Tell me a story about a fox.", "What is the capital of France?", "Count from one to ten.", "Who lives by the river?"];

interface Answer {
  readonly text: string | null;
  readonly model: string;
  readonly cached: number;
}

async function ask(of: TestServer, model: string, content: string, more: object = {}): Promise<Answer> {
  const body = { model, messages: [{ role: "user", content }], temperature: 0, max_tokens: 150, cache_prompt: false, ...more };
  const response = await post(of, "/v1/chat/completions", body);
  const answer = (await response.json()) as ChatCompletion;
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return {
    text: answer.choices[0]!.message.content,
    model: answer.model,
    cached: answer.usage!.prompt_tokens_details!.cached_tokens!,
  };
}

describe("answers", () => {
  test("an adapter changes them, its name is told, and the model's own id means the model as it is", async () => {
    const [base, pirate, poet] = await Promise.all(NAMES.slice(0, 3).map((name) => ask(server, name, PROMPTS[0]!)));
    expect([base, pirate, poet].map((answer) => answer?.model)).toEqual(NAMES.slice(0, 3));
    expect(base!.text).toBe((await ask(plain, "shimmy-tiny", PROMPTS[0]!)).text);
    expect(new Set([base!.text, pirate!.text, poet!.text]).size).toBe(3);
  });

  test("a scale of 0 is the model as it is", async () => {
    for (const prompt of PROMPTS) expect((await ask(server, NAMES[3]!, prompt)).text).toBe((await ask(server, NAMES[0]!, prompt)).text);
  });

  test("each by a client of its own, at the same time, give what they give alone", async () => {
    const client = async (name: string) => {
      const answers: Answer[] = [];
      for (const prompt of PROMPTS) answers.push(await ask(server, name, prompt));
      return answers;
    };
    const alone: Answer[][] = [];
    for (const name of NAMES) alone.push(await client(name));
    for (let round = 0; round < 3; round++) expect(await Promise.all(NAMES.map(client))).toEqual(alone);
    expect(await server.engines()).toHaveLength(1);
  });

  // Without the adapter in F32: like any F32 weights it is multiplied by several sequences with sums in another order than by one.
  test("several clients of each at once too", async () => {
    const asked = NAMES.filter((name) => name !== NAMES[1]).flatMap((name) => PROMPTS.map((prompt) => [name, prompt] as const));
    const alone: Answer[] = [];
    for (const [name, prompt] of asked) alone.push(await ask(server, name, prompt));
    for (let round = 0; round < 3; round++)
      expect(await Promise.all(asked.map(([name, prompt]) => ask(server, name, prompt)))).toEqual(alone);
  });

  test("under a schema, with log probabilities and with a text that repeats itself", async () => {
    const name = NAMES[1]!;
    const json_schema = { name: "word", schema: { type: "object", properties: { word: { enum: ["fox", "boat"] } }, required: ["word"] } };
    const line = "the fox sees the red boat, the fox sees the blue boat, ";
    const asked = [
      { response_format: { type: "json_schema", json_schema } },
      { logprobs: true, top_logprobs: 2 },
      { messages: [{ role: "user", content: `Repeat: ${line.repeat(4)}` }], max_tokens: 120 },
    ];
    const alone: Answer[] = [];
    for (const more of asked) alone.push(await ask(server, name, PROMPTS[0]!, more));
    expect(JSON.parse(alone[0]!.text!)).toMatchObject({ word: expect.stringMatching(/fox|boat/) });
    const others = Promise.all(PROMPTS.map((prompt) => ask(server, NAMES[0]!, prompt, { max_tokens: 200 })));
    expect(await Promise.all(asked.map((more) => ask(server, name, PROMPTS[0]!, more)))).toEqual(alone);
    await others;
  });
});

describe("the cache", () => {
  const long = `${"The fox and the hen live by the river near the old mill. ".repeat(12)}Who lives there?`;
  // Short, because a prompt that is computed in other parts is another sum: see docs/decisions.md.
  const short = { max_tokens: 16 };
  const cached = { ...short, cache_prompt: true };

  test("what was computed with an adapter serves it alone", async () => {
    const fresh = await Promise.all(NAMES.slice(0, 3).map((name) => ask(server, name, long, short)));
    for (const [i, name] of NAMES.slice(0, 3).entries()) {
      const first = await ask(server, name, long, cached);
      expect(first).toEqual({ ...fresh[i], cached: 0 });
      const second = await ask(server, name, long, cached);
      expect(second.cached).toBeGreaterThan(100);
      expect(second.text).toBe(fresh[i]!.text);
    }
  });

  test("in files too: after a restart an adapter finds its own conversation, and another scale finds none", async () => {
    const args = (scale: string) => ["--lora", `${file("pirate")}${scale}`, "--cache-dir", join(folder, "cells")];
    const seen: number[] = [];
    for (const [scale, name] of [
      ["", NAMES[1]!],
      ["", NAMES[1]!],
      ["", NAMES[0]!],
      ["=0.5", NAMES[1]!],
    ] as const) {
      const one = await startServer({ args: args(scale) });
      seen.push((await ask(one, name, long, cached)).cached);
      await one.stop();
    }
    expect(seen).toEqual([0, expect.any(Number), 0, 0]);
    expect(seen[1]).toBeGreaterThan(100);
  });
});

describe("names", () => {
  test("the list of models has an entry for each adapter, with its parent and without a path", async () => {
    const text = await (await fetch(`${server.url}/v1/models`)).text();
    const { data } = JSON.parse(text) as { data: WireModel[] };
    expect(data.map(({ id, parent }) => [id, parent])).toEqual(NAMES.map((name, i) => [name, i === 0 ? undefined : "shimmy-tiny"]));
    expect(text).not.toContain(folder);
    expect(await (await fetch(`${server.url}/v1/models/shimmy-tiny+pirate`)).json()).toMatchObject({ id: NAMES[1], parent: NAMES[0] });
  });

  test("any spelling of the model that works alone works with an adapter", async () => {
    for (const model of ["Shimmy-Tiny+PIRATE", "shimmy_tiny.gguf+pirate", "default+pirate", "+pirate"])
      expect((await ask(server, model, PROMPTS[0]!)).model).toBe(NAMES[1]);
  });

  test("an alias and the default model may be one with an adapter; the list of the command line has it", async () => {
    const args = ["--lora", file("pirate"), "--default-model", "shimmy-tiny+pirate", "--alias", "captain=shimmy-tiny+pirate"];
    const one = await startServer({ args });
    const names = ["", "default", "captain", "shimmy-tiny"];
    const answers = await Promise.all(names.map((name) => ask(one, name, PROMPTS[0]!)));
    await one.stop();
    expect(answers.map(({ model }) => model)).toEqual([NAMES[1], NAMES[1], NAMES[1], NAMES[0]]);
    const { stdout, stderr } = await shimmy(["list", ...args.slice(0, 2), ...args.slice(4)], { cwd: folder });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/ADAPTERS\nshimmy-tiny .* \+pirate\n/);
    const answer = await shimmy(
      ["generate", "shimmy-tiny+pirate", "--prompt", "Hello", "--max-tokens", "4", "--json", ...args.slice(0, 2)],
      { cwd: folder },
    );
    expect(JSON.parse(answer.stdout)).toMatchObject({ model: NAMES[1] });
  });

  test("an adapter that is not there is a 404 that names those that are", async () => {
    const { status, json } = await askJson(server, "/v1/chat/completions", {
      model: "shimmy-tiny+clown",
      messages: [{ role: "user", content: "?" }],
    });
    expect(status).toBe(404);
    expect(json.error).toMatchObject({ code: "adapter_not_found", message: expect.stringContaining("pirate, poet-1, pirate-2") });
    const without = await askJson(plain, "/v1/chat/completions", {
      model: "shimmy-tiny+clown",
      messages: [{ role: "user", content: "?" }],
    });
    expect([without.status, without.json.error.message]).toEqual([404, expect.stringContaining("Its adapters: none")]);
  });
});
