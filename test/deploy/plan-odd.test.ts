/** `shimmy plan` and `init --template integration` with what nobody should type, and with what goes wrong: clear words, exit codes, no server left. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { processTree } from "../../src/deploy/processes.ts";
import { bareEnvironment, finished, shimmy, temporaryFolder } from "../support/command.ts";
import { isGone } from "../support/process.ts";
import { CLI } from "../support/server.ts";
import { brokenPackage } from "./broken-package.ts";

const folder = temporaryFolder();
const OPTIONS = { timeout: 60_000 };
const plan = (args: readonly string[]) => shimmy(["plan", ...args], { cwd: folder });

/** Every number of it, however deep. */
function numbersOf(value: unknown): unknown[] {
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(numbersOf) : typeof value === "string" ? [] : [value];
}

test.each([
  ...["0", "-1", "NaN", "Infinity", "1e9", "", "0/min", "5/day", "1,5", "2000000"].map((value) => ["--rps", value]),
  ...["0", "-5s", "NaN", "25h", "1e3", "", "5 fortnights"].map((value) => ["--p95", value]),
  ...["0", "-1", "1.5", "99999999", "many"].map((value) => ["--prompt-tokens", value]),
])("%s %j is a usage error that names it and starts nothing, with --json too", async (flag, value) => {
  const { code, stdout, stderr } = await plan([flag!, value!, "--json"]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(new RegExp(`^error: Invalid value for '${flag}': it must be .*\\n$`));
});

test(
  "absurd traffic and a limit that nobody can keep: every number is one, and the words say that no number of instances does it",
  OPTIONS,
  async () => {
    const { code, stdout } = await plan(["--rps", "1000000", "--p95", "1ms", "--json"]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.plan).toMatchObject({ reachable: false });
    expect(report.plan.replicas).toBeGreaterThan(1000);
    expect(numbersOf(report).every((each) => typeof each === "boolean" || Number.isFinite(each))).toBe(true);
    const text = await plan(["--rps", "1000000", "--p95", "1ms"]);
    expect(text.stdout).toMatch(/Replicas {2}\d+, .*NO NUMBER of instances keeps 1 ms/);
  },
);

test("next to no traffic, prompts beyond any context, a context beyond training: told, and never as nothing", OPTIONS, async () => {
  const { code, stdout } = await plan(["--rps", "0.0001", "--prompt-tokens", "16777216", "--answer-tokens", "16777216", "--ctx", "4096"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/Traffic: 0\.4 requests\/hour, /);
  expect(stdout).not.toMatch(/\b0 requests\/|NaN|Infinity|undefined/);
  expect(stdout).toContain("PROMPT AND ANSWER DO NOT FIT the 4096 tokens of context");
  expect(stdout).toContain("4096 TOKENS OF CONTEXT ARE MORE than the 1024 that the model was trained for");
  expect(stdout).toMatch(/MORE THAN the \d+ MiB available here/);
});

describe("what goes wrong is told, and nothing is left", () => {
  test("a model that cannot be loaded: no engine opens", OPTIONS, async () => {
    const cli = brokenPackage(join(folder, "bare"), { without: ["@node-llama-cpp"] });
    const child = spawn(process.execPath, [cli, "plan", "--json"], { cwd: folder, env: bareEnvironment(folder) });
    const { code, stdout, stderr } = await finished(child);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/error: The run that was to be measured failed: .*\nhint: `shimmy probe` says/);
  });
});

test.runIf(existsSync("/usr/bin/script") && process.platform === "linux")(
  "Ctrl-C in a terminal, while init measures: exit code 130, no file, no server left",
  OPTIONS,
  async () => {
    const flags = "--application desk --rps 1 --p95 5s --model shimmy-tiny";
    const command = `${process.execPath} ${CLI} init --template integration ${flags} --out never`;
    const typed = spawn("/usr/bin/script", ["-qec", command, "/dev/null"], { cwd: folder, env: bareEnvironment(folder) });
    const waits = finished(typed);
    await new Promise<void>((resolve) => typed.stdout!.on("data", (text) => /1 client asks/.test(String(text)) && resolve()));
    const below = processTree(typed.pid!)!.filter((pid) => pid !== typed.pid);
    // The command, its server, and the engine.
    expect(below.length).toBeGreaterThanOrEqual(3);
    typed.stdin!.write("\u0003");
    const { code, stdout } = await waits;
    expect(code).toBe(130);
    expect(stdout).not.toMatch(/node:internal|at .*\.js/);
    expect(existsSync(join(folder, "never"))).toBe(false);
    await expect.poll(() => below.every(isGone), { timeout: 10_000 }).toBe(true);
  },
);
