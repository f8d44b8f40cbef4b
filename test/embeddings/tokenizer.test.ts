/** Tokens of texts and back, and vectors, as another program asks the library for them. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { createShimmy, ResolvedModel, Shimmy } from "../../src/index.ts";
import { shimmy as command, temporaryFolder } from "../support/command.ts";

const folder = temporaryFolder();
const { signal } = new AbortController();
let shimmy: Shimmy;
let model: ResolvedModel;
beforeAll(async () => {
  const library: { createShimmy: typeof createShimmy } = await import(pathToFileURL(resolve("dist/index.js")).href);
  writeFileSync(join(folder, "none.yaml"), "");
  shimmy = await library.createShimmy({ config: join(folder, "none.yaml"), modelDirs: [folder], logLevel: "error", keepAlive: "0" });
  model = await shimmy.generator.resolve("shimmy-tiny");
});
afterAll(() => shimmy?.close());

const tokenize = (text: string, options: { addSpecial?: boolean; parseSpecial?: boolean } = {}) =>
  shimmy.tokenizer.tokenize(model, text, { addSpecial: false, parseSpecial: false, ...options }, signal);

test.each(["hello world", "", "naïve 🦙\n\u0000 x", "  spaces "])("%j comes back from its tokens, piece by piece", async (text) => {
  const tokens = await tokenize(text);
  expect(Buffer.concat(tokens.map(({ bytes }) => bytes)).toString()).toBe(text);
  const ids = tokens.map(({ id }) => id);
  expect(await shimmy.tokenizer.detokenize(model, ids, signal)).toBe(text);
});

test("a control token is one token only where it is meant", async () => {
  const meant = await tokenize("<|im_end|>", { parseSpecial: true });
  expect(meant).toHaveLength(1);
  expect((await tokenize("<|im_end|>")).length).toBeGreaterThan(1);
  expect(await shimmy.tokenizer.detokenize(model, [meant[0]!.id], signal)).toBe("<|im_end|>");
});

test("an id that is no token is refused", async () => {
  await expect(shimmy.tokenizer.detokenize(model, [1e6], signal)).rejects.toMatchObject({ code: "invalid_value" });
});

test("keep_alive 0: the engine goes after the question, and comes for the next", async () => {
  const request = { id: "1", model: model.info.id, inputs: [{ text: "hello" }] };
  const first = await shimmy.embedder.embed(model, request, signal);
  const again = await shimmy.embedder.embed(model, request, signal);
  expect(again.vectors).toEqual(first.vectors);
});

test("a signal that is aborted ends it", async () => {
  const aborted = AbortSignal.abort();
  const request = { id: "2", model: model.info.id, inputs: [{ text: "hello" }] };
  await expect(shimmy.embedder.embed(model, request, aborted)).rejects.toMatchObject({ code: "client_closed" });
});

test("`shimmy embed` prints JSON", async () => {
  const { code, stdout } = await command(["embed", "hello", "good day", "--model", "shimmy-tiny"], { cwd: folder });
  expect(code).toBe(0);
  const { vectors, tokens } = JSON.parse(stdout) as { vectors: number[][]; tokens: number[] };
  expect([vectors.length, tokens.length]).toEqual([2, 2]);
  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
});
