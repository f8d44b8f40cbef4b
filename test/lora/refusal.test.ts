/** An adapter that is broken or made for another model is refused with its reason, and its model goes on. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildGguf } from "../fixtures/gguf.ts";
import { LORA_METADATA, loraFor } from "../fixtures/lora.ts";
import { shimmy } from "../support/command.ts";
import { askJson } from "../support/raw.ts";
import { startServer, type TestServer, TINY } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "shimmy-lora-"));
const file = (name: string) => join(folder, `${name}.gguf`);
let server: TestServer;
beforeAll(async () => {
  writeFileSync(file("good"), await loraFor(TINY));
  writeFileSync(file("changing"), await loraFor(TINY));
  writeFileSync(file("wild"), await loraFor(TINY, { strength: Number.NaN }));
  writeFileSync(file("qwen"), await loraFor(TINY, { metadata: { "general.architecture": "qwen3" } }));
  const pair = (name: string, inputs: number, outputs: number) => [
    { name: `${name}.lora_a`, dims: [inputs, 4] },
    { name: `${name}.lora_b`, dims: [4, outputs] },
  ];
  writeFileSync(file("larger"), buildGguf({ metadata: LORA_METADATA, tensors: pair("blk.0.attn_q.weight", 576, 576) }));
  writeFileSync(file("deeper"), buildGguf({ metadata: LORA_METADATA, tensors: pair("blk.30.attn_q.weight", 192, 192) }));
  const names = ["good", "changing", "wild", "qwen", "larger", "deeper"];
  server = await startServer({ args: names.flatMap((name) => ["--lora", file(name)]) });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const ask = (adapter: string, more: object = {}) =>
  askJson(server, "/v1/chat/completions", {
    model: `shimmy-tiny${adapter}`,
    messages: [{ role: "user", content: "Tell me a story." }],
    temperature: 0,
    max_tokens: 16,
    ...more,
  });

test.each([
  ["qwen", /made for the architecture 'qwen3', the model is 'llama'/],
  ["larger", /'blk\.0\.attn_q\.weight' \(192 × 192\) as if it were 576 × 576: it was made for another model/],
  ["deeper", /'blk\.30\.attn_q\.weight', which the model does not have/],
])("made for another model: %s", async (name, reason) => {
  const before = await ask("");
  const { status, json } = await ask(`+${name}`);
  expect([status, json.error.code, json.error.message]).toEqual([400, "adapter_unusable", expect.stringMatching(reason)]);
  expect(json.error.message).not.toContain(folder);
  expect((await ask("")).json.choices).toEqual(before.json.choices);
});

test("only those that fit are listed", async () => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: Array<{ id: string }> };
  expect(data.map(({ id }) => id)).toEqual(["", "+good", "+changing", "+wild"].map((adapter) => `shimmy-tiny${adapter}`));
});

test("a file that is damaged under a running server is refused, and serves again when it is whole", async () => {
  const whole = await ask("+changing");
  const [engine] = await server.engines();
  writeFileSync(file("changing"), (await loraFor(TINY)).subarray(0, 3000));
  const { status, json } = await ask("+changing");
  expect([status, json.error.code]).toEqual([400, "adapter_unusable"]);
  expect(json.error.message).toMatch(/truncated/);
  rmSync(file("changing"));
  expect((await ask("+changing")).json.error.message).toMatch(/there is no such file/);
  copyFileSync(file("good"), file("changing"));
  expect((await ask("+changing")).json.choices).toEqual(whole.json.choices);
  // Replaced by another one: that one answers.
  writeFileSync(file("changing"), await loraFor(TINY, { seed: 5 }));
  expect((await ask("+changing")).json.choices).not.toEqual(whole.json.choices);
  expect(await server.engines()).toEqual([engine]);
});

test("weights that are no numbers harm nobody but their own answer", async () => {
  const before = await ask("");
  const [engine] = await server.engines();
  for (const more of [
    {},
    { temperature: 1 },
    { logprobs: true, top_logprobs: 3 },
    { n: 3 },
    { response_format: { type: "json_object" } },
  ]) {
    const [wild, base] = await Promise.all([ask("+wild", more), ask("")]);
    expect([wild.status, wild.json.error.message]).toEqual([400, expect.stringContaining("computes no numbers")]);
    expect(base.json.choices).toEqual(before.json.choices);
  }
  expect(await server.engines()).toEqual([engine]);
});

test.each([
  ["missing", () => undefined, /no model file/],
  ["model", () => copyFileSync(TINY, file("model")), /a model, not a LoRA adapter/],
  ["torn", async () => writeFileSync(file("torn"), (await loraFor(TINY)).subarray(0, 3000)), /truncated/],
])("a given file that can be used for no model ends the start: %s", async (name, make, reason) => {
  await make();
  const { code, stderr } = await shimmy(["serve", "--bind", "127.0.0.1:0", "--lora", file(name)], { cwd: folder });
  expect([code, stderr]).toEqual([1, expect.stringMatching(reason)]);
});
