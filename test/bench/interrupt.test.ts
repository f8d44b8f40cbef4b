/** Ctrl-C and SIGTERM in the middle of `shimmy bench`: what was measured is told and written, and no process is left. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BenchResult } from "../../src/bench/result.ts";
import { bareEnvironment, finished, temporaryFolder } from "../support/command.ts";
import { descendantsOf, isGone } from "../support/process.ts";
import { CLI, until } from "../support/server.ts";

const cwd = temporaryFolder();
const env = { ...bareEnvironment(cwd), SHIMMY_MODEL_STORES: "off" };
const LONG = ["--workloads", "decode,mixed", "--rounds", "200", "--tokens", "24"];
const NO_PTY = hasScript() ? undefined : "there is no `script` (util-linux) on this machine";

function hasScript(): boolean {
  try {
    return execFileSync("script", ["--version"]).length > 0;
  } catch {
    return false;
  }
}

/** Runs it until a case was measured, and interrupts it. */
async function interrupted(command: readonly [string, ...string[]], interrupt: (child: ReturnType<typeof spawn>) => void) {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd, env });
  const end = finished(child);
  let told = "";
  const hear = (text: unknown) => {
    told += text;
  };
  for (const stream of [child.stderr, child.stdout]) stream!.on("data", hear); // a pty has one for both
  await until(() => told.includes("round 1/200  decode 8") || child.exitCode !== null);
  const pids = descendantsOf(child.pid!);
  interrupt(child);
  return { ...(await end), pids };
}

describe.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s", (signal, code) => {
  test("prints and writes what there is, ends with its code, and leaves neither server nor engine", { timeout: 60_000 }, async () => {
    const page = join(cwd, `${signal}.html`);
    const run = await interrupted([process.execPath, CLI, "bench", "--json", "--html", page, ...LONG], (child) => child.kill(signal));
    const result = JSON.parse(run.stdout) as BenchResult;
    expect([run.code, result.interrupted, result.failures]).toEqual([code, true, []]);
    expect(result.summary[0]).toMatchObject({ workload: "decode", clients: 1 });
    expect(result.summary[0]!.figures.length).toBeGreaterThan(0);
    const html = readFileSync(page, "utf8");
    expect(html).toContain("It was ended before its end");
    expect(html).toContain("<circle");
    expect(run.pids.length).toBeGreaterThanOrEqual(2);
    await until(() => run.pids.every(isGone));
  });
});

test("before anything was measured: that is said, nothing is printed, and a page of an earlier run stays", {
  timeout: 60_000,
}, async () => {
  const page = join(cwd, "earlier.html");
  execFileSync("sh", ["-c", 'printf earlier > "$1"', "sh", page]);
  const child = spawn(process.execPath, [CLI, "bench", "--html", page, ...LONG], { cwd, env });
  const end = finished(child);
  await until(() => descendantsOf(child.pid!).length > 0);
  const pids = descendantsOf(child.pid!);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await end;
  expect([code, stdout, readFileSync(page, "utf8")]).toEqual([130, "", "earlier"]);
  expect(stderr).toContain("Ended before anything was measured.");
  await until(() => pids.every(isGone));
});

test.skipIf(NO_PTY)(
  `Ctrl-C on a terminal, which reaches every process at once${NO_PTY ? ` (skipped: ${NO_PTY})` : ""}`,
  { timeout: 60_000 },
  async () => {
    const line = [process.execPath, CLI, "bench", ...LONG].map((word) => `'${word}'`).join(" ");
    const run = await interrupted(["script", "--quiet", "--return", "--command", line, "/dev/null"], (child) => child.stdin!.write("\x03"));
    expect(run.code).toBe(130);
    expect(run.stdout).toMatch(/decode +1 +\d/);
    expect(run.stdout).toContain("It was ended before its end: what is missing was not measured.");
    expect(run.stdout).not.toContain("FAILED");
    expect(run.pids.length).toBeGreaterThanOrEqual(3);
    await until(() => run.pids.every(isGone));
  },
);
