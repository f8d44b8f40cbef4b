/** `shimmy list`: the models, for people, for grep and for programs. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { TINY } from "../support/server.ts";

const cwd = temporaryFolder();
/** With port 0 the command knows of no server to ask, whatever runs on this machine. */
const NO_SERVER = { SHIMMY_PORT: "0" };
mkdirSync(join(cwd, "models"));
mkdirSync(join(cwd, "more"));
copyFileSync(TINY, join(cwd, "models", "first.gguf"));
copyFileSync(TINY, join(cwd, "more", "second.gguf"));
writeFileSync(join(cwd, "models", "broken.gguf"), "GGUF");

test("shows ./models and the embedded model, and leaves out what is no model", async () => {
  const { code, stdout, stderr } = await shimmy(["list"], { cwd, env: NO_SERVER });
  expect([code, stderr]).toEqual([0, ""]);
  const [head, ...rows] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^MODEL +SIZE +QUANT +PARAMETERS +CONTEXT +STATE +SOURCE$/);
  expect(rows.map((row) => row.split(/\s{2,}/))).toEqual([
    ["first", "3 MB", "Q8_0", "2.8M", "1024", "-", "models"],
    ["shimmy-tiny", "3 MB", "Q8_0", "2.8M", "1024", "-", "embedded"],
  ]);
});

test("--short is one id a line and nothing else", async () => {
  expect(await shimmy(["list", "--short"], { cwd })).toEqual({ code: 0, stdout: "first\nshimmy-tiny\n", stderr: "" });
});

test("--json is an array with what is known of each model", async () => {
  const { code, stdout } = await shimmy(["list", "--json"], { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([
    { id: "first", quantization: "Q8_0", contextLength: 1024, generative: true },
    { id: "shimmy-tiny", source: "embedded" },
  ]);
});

test("--model-dirs adds folders, --no-embedded-model takes the embedded one away", async () => {
  const { stdout } = await shimmy(["list", "--short", "--model-dirs", "more", "--no-embedded-model"], { cwd });
  expect(stdout).toBe("first\nsecond\n");
});

test("says what to do when there is no model at all, on stderr", async () => {
  const empty = join(cwd, "more", "empty");
  mkdirSync(empty);
  const { code, stdout, stderr } = await shimmy(["list", "--no-embedded-model"], { cwd: empty });
  expect([code, stdout]).toEqual([0, ""]);
  expect(stderr).toContain("--model-dirs");
});

test("--log-level debug says why a file is left out", async () => {
  const { stderr } = await shimmy(["list", "--log-level", "debug"], { cwd });
  expect(stderr).toContain("broken.gguf");
});

test("a --model-path that is not there: exit code 1", async () => {
  const { code, stderr } = await shimmy(["list", "--model-path", "nowhere.gguf"], { cwd });
  expect([code, stderr]).toEqual([1, expect.stringContaining("There is no model file at")]);
});
