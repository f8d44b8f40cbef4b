/** `shimmy generate` and `shimmy probe`: one answer, one load, for scripts. */
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { TINY } from "../support/server.ts";

const cwd = temporaryFolder();
mkdirSync(join(cwd, "models"));
writeFileSync(join(cwd, "models", "cut-off.gguf"), readFileSync(TINY));
truncateSync(join(cwd, "models", "cut-off.gguf"), 100_000);

describe("generate", () => {
  test("prints the answer alone on stdout", async () => {
    const { code, stdout, stderr } = await shimmy(["generate", "shimmy-tiny", "--prompt", "What is the capital of France?"], { cwd });
    expect([code, stdout, stderr]).toEqual([0, "The capital of France is Paris.\n", ""]);
  });

  test("--max-tokens is the length", async () => {
    const args = ["generate", "shimmy-tiny", "--prompt", "Tell me a story about a fox", "--max-tokens", "3", "--json"];
    expect(JSON.parse((await shimmy(args, { cwd })).stdout)).toMatchObject({ completionTokens: 3, finishReason: "length" });
  });

  test("--json has the text, the model and true token counts", async () => {
    const args = ["generate", "shimmy-tiny", "--prompt", "What is the capital of France?", "--json"];
    const answer = JSON.parse((await shimmy(args, { cwd })).stdout);
    expect(answer).toMatchObject({ model: "shimmy-tiny", text: "The capital of France is Paris.", finishReason: "stop" });
    expect(answer.promptTokens).toBeGreaterThan(10);
    expect(answer.completionTokens).toBeGreaterThan(3);
  });

  test("--raw continues the text without a chat template: the prompt is its own tokens only", async () => {
    const args = ["generate", "shimmy-tiny", "--prompt", "Once upon a time", "--max-tokens", "8", "--json"];
    const [raw, chat] = await Promise.all([shimmy([...args, "--raw"], { cwd }), shimmy(args, { cwd })]);
    const tokens = [raw, chat].map(({ stdout }) => JSON.parse(stdout).promptTokens);
    expect(tokens[0]).toBeLessThanOrEqual(4);
    expect(tokens[1]).toBeGreaterThan(tokens[0]);
  });

  test("another model answers an unknown name and stderr says so; strictly it is an error", async () => {
    const args = ["generate", "no-such-model", "--prompt", "hello", "--max-tokens", "2"];
    const { code, stderr } = await shimmy(args, { cwd });
    expect([code, stderr]).toEqual([0, "There is no model 'no-such-model'; shimmy-tiny answers.\n"]);
    const strict = await shimmy([...args, "--strict-models"], { cwd });
    expect([strict.code, strict.stdout]).toEqual([1, ""]);
    expect(strict.stderr).toContain("Available models: shimmy-tiny");
  });

  test("a --model-path that is not there is an error, not another model's answer", async () => {
    const { code, stdout, stderr } = await shimmy(["generate", "x", "--prompt", "hello", "--model-path", "nowhere.gguf"], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("There is no model file at");
  });
});

describe("probe", () => {
  test("a model that loads: exit code 0, its context and the time", async () => {
    const { code, stdout } = await shimmy(["probe", "shimmy-tiny"], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok: loaded shimmy-tiny \(context 1024 tokens, \d+ ms\)\n$/);
  });

  test("--json says the same for programs", async () => {
    const { stdout } = await shimmy(["probe", "shimmy-tiny", "--ctx", "512", "--json"], { cwd });
    expect(JSON.parse(stdout)).toEqual({ ok: true, model: "shimmy-tiny", contextLength: 512, loadMs: expect.any(Number) });
  });

  test("an unknown name: exit code 1 and what there is, however lenient the settings", async () => {
    const { code, stdout, stderr } = await shimmy(["probe", "no-such-model"], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("The model 'no-such-model' does not exist. Available models: shimmy-tiny");
  });

  test("a corrupt file: exit code 1 and the reason, not that it does not exist", async () => {
    const { code, stdout, stderr } = await shimmy(["probe", "cut-off", "--json"], { cwd });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, model: "cut-off", code: "model_file_invalid" });
    expect(stderr).toContain("cut-off.gguf is not a usable GGUF file: truncated");
  });

  test("a file that libllama refuses: exit code 1, and the probe outlives it", async () => {
    // Valid for every check of ours, with a tokenizer that libllama does not know.
    const bytes = readFileSync(TINY);
    const at = bytes.indexOf("gpt2");
    expect(at).toBeGreaterThan(0);
    bytes.write("gpt9", at);
    mkdirSync(join(cwd, "odd"), { recursive: true });
    writeFileSync(join(cwd, "odd", "odd.gguf"), bytes);
    const { code, stderr } = await shimmy(["probe", "odd", "--model-dirs", "odd"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/odd/);
  });

  test("takes any spelling of the name", async () => {
    copyFileSync(TINY, join(cwd, "models", "Some_Model.Q8.gguf"));
    expect((await shimmy(["probe", "some-model.q8.gguf"], { cwd })).code).toBe(0);
  });
});
