/** `shimmy run` in a script: which argument is what, what goes to stdout, and what happens when the reader leaves. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { bareEnvironment, shimmy, temporaryFolder } from "../support/command.ts";
import { CLI } from "../support/server.ts";

const cwd = temporaryFolder();
const QUESTION = "What is the capital of France?";
const ANSWER = "The capital of France is Paris.\n";

describe("one answer", () => {
  test("a single argument that names no model is the prompt, for the default model", async () => {
    expect(await shimmy(["run", QUESTION], { cwd })).toEqual({ code: 0, stdout: ANSWER, stderr: "" });
  });

  test("model and prompt", async () => {
    expect(await shimmy(["run", "shimmy-tiny", QUESTION], { cwd })).toEqual({ code: 0, stdout: ANSWER, stderr: "" });
  });

  test("a prompt that is piped in, with and without a model", async () => {
    expect(await shimmy(["run"], { cwd, input: `${QUESTION}\n` })).toEqual({ code: 0, stdout: ANSWER, stderr: "" });
    expect(await shimmy(["run", "Shimmy_Tiny.gguf"], { cwd, input: `${QUESTION}\n` })).toEqual({ code: 0, stdout: ANSWER, stderr: "" });
  });

  test("text alone is on stdout: that another model answers is told on stderr", async () => {
    const { code, stdout, stderr } = await shimmy(["run", "no-such-model", QUESTION], { cwd });
    expect([code, stdout, stderr]).toEqual([0, ANSWER, "There is no model 'no-such-model'; shimmy-tiny answers.\n"]);
  });

  test("--max-tokens is the length of the answer", async () => {
    const { stdout } = await shimmy(["run", "--max-tokens", "2", QUESTION], { cwd });
    expect(ANSWER.startsWith(stdout.trim())).toBe(true);
    expect(stdout.length).toBeLessThan(ANSWER.length / 2);
  });

  test("nothing on stdin is an error, not a chat with nobody", async () => {
    const { code, stdout, stderr } = await shimmy(["run"], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("nothing came from stdin");
  });

  test("a --model-path that is not there is an error, not another model's answer", async () => {
    const { code, stdout, stderr } = await shimmy(["run", "--model-path", "nowhere.gguf", QUESTION], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("There is no model file at");
  });

  test("--log-level info tells of the load on stderr, and stdout stays the text", async () => {
    const { stdout, stderr } = await shimmy(["run", "--log-level", "info", QUESTION], { cwd });
    expect(stdout).toBe(ANSWER);
    expect(stderr).toContain("model loaded");
  });
});

test("a reader that leaves early ends it quietly, without a stack", async () => {
  // A raw, endless answer: the pipe is closed long before it is out.
  const script = `"$NODE" "$CLI" generate shimmy-tiny --raw --prompt "$(printf '1 2 3 %.0s' {1..40})" | head -c 5; echo "[\${PIPESTATUS[0]}]"`;
  const env = { ...bareEnvironment(cwd), NODE: process.execPath, CLI };
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script], { cwd, env });
  expect(stdout).toMatch(/^.{5}\[0\]\n$/s);
  expect(stderr).toBe("");
});
