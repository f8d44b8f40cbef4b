/** T32: a prompt begins with one BOS where the vocabulary wants one, and never with two. Counted in tokens of the prompt. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../support/server.ts";
import { CHATML, user, withTemplate } from "./asker.ts";

let folder: string;
/** Token id of `<|endoftext|>` in Shimmy Tiny. */
const END_OF_TEXT = 2038;

const messages = [user("What is the capital of France?")];
let bos: string;

/** Shimmy Tiny as a model whose vocabulary wants `<|endoftext|>` in front of every prompt, as Llama and Gemma want their BOS. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shimmy-bos-"));
  const bytes = readFileSync(TINY);
  // After a key: the type (4 bytes), then the value.
  const placeOf = (key: string) => bytes.indexOf(key) + key.length + 4;
  bytes[placeOf("tokenizer.ggml.add_bos_token")] = 1;
  bytes.writeUInt32LE(END_OF_TEXT, placeOf("tokenizer.ggml.bos_token_id"));
  bos = join(folder, "with-bos.gguf");
  writeFileSync(bos, bytes);
});

afterAll(() => rmSync(folder, { recursive: true }));

test("T32 a vocabulary that wants a BOS gets one, whether the template prints it or not", async () => {
  const silent = await withTemplate(CHATML, ["--model-path", bos], "with-bos");
  const printing = await withTemplate(`{{- bos_token }}${CHATML}`, ["--model-path", bos], "with-bos");
  const expected = await silent.model.count(messages);
  expect(await printing.model.count(messages)).toBe(expected);
  // The same for a raw prompt.
  expect(await silent.model.countText("<|endoftext|>Once upon")).toBe(await silent.model.countText("Once upon"));
  expect(await silent.model.countText("<|im_start|>Once upon")).toBe((await silent.model.countText("Once upon")) + 1);
  await Promise.all([silent.server.stop(), printing.server.stop()]);

  const without = await withTemplate(CHATML);
  expect(await without.model.count(messages)).toBe(expected - 1);
  await without.server.stop();
});

test("T32 a vocabulary that wants none gets none, but for the one the template prints", async () => {
  const silent = await withTemplate(CHATML);
  const printing = await withTemplate(`{{- bos_token }}${CHATML}`);
  const text = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n";
  expect(await silent.model.count(messages)).toBe(await silent.model.countText(text));
  expect(await printing.model.count(messages)).toBe((await silent.model.count(messages)) + 1);
  await Promise.all([silent.server.stop(), printing.server.stop()]);
});
