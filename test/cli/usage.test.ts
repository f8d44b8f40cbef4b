/** The command line as a whole: help, version, exit codes. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";

const cwd = temporaryFolder();
const COMMANDS = ["serve", "list", "run", "generate", "probe", "bench", "config", "version"];
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

test("--help names every command and shows an example", async () => {
  const { code, stdout, stderr } = await shimmy(["--help"], { cwd });
  expect([code, stderr]).toEqual([0, ""]);
  for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  expect(stdout).toContain("Example:\n  $ npx shimmy ");
});

for (const command of COMMANDS)
  test(`${command} --help explains each option and shows an example of itself`, async () => {
    const { code, stdout, stderr } = await shimmy([command, "--help"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`Example:\n  \\$ shimmy ${command}\\b`));
    for (const line of stdout.split("\n").filter((line) => /^ {2}-/.test(line))) expect(line).toMatch(/^ {2}-.+( {2}|>$|\]$)/);
  });

test("version tells shimmy's and node's, also as JSON", async () => {
  const { code, stdout } = await shimmy(["version"], { cwd });
  expect([code, stdout]).toEqual([0, `shimmy ${version} (node ${process.version}, ${process.platform}-${process.arch})\n`]);
  expect(JSON.parse((await shimmy(["version", "--json"], { cwd })).stdout)).toMatchObject({ shimmy: version, node: process.version });
  expect(await shimmy(["--version"], { cwd })).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

describe("what was typed wrongly is exit code 2, told on stderr", () => {
  for (const [typed, told] of [
    ["", "Usage: shimmy"],
    ["surve", "unknown command 'surve'"],
    ["serve --prot 1", "unknown option '--prot'"],
    ["serve now", "too many arguments"],
    ["serve --port", "argument missing"],
    ["serve --port 70000", "a whole number from 0 to 65535"],
    ["serve --bind nowhere", "HOST:PORT"],
    ["generate shimmy-tiny", "required option '--prompt <text>'"],
    ["generate shimmy-tiny --prompt x --max-tokens none", "a whole number above 0"],
    ["probe", "missing required argument 'model'"],
    ["run one two three", "too many arguments"],
    ["batch submit", "submit needs a file of requests"],
    ["alerts silence", "silence needs the name of an alert"],
    ["batch show --url http://127.0.0.1:1", "show needs the id of a batch"],
    ["ps --url localhost:11435", "it must be one such as http://127.0.0.1:11435"],
    ["ps --url ftp://localhost", "that is no URL"],
    ["bench --url nowhere", "Invalid value for '--url': that is no URL"],
    ["bench --against nowhere", "Invalid value for '--against': that is no URL"],
    ["bench --seed -1", "Invalid value for '--seed'"],
    ["bench --clients 1,,2", "Invalid value for '--clients'"],
  ] as const)
    test(`shimmy ${typed}`, async () => {
      const { code, stdout, stderr } = await shimmy(typed.split(" ").filter(Boolean), { cwd });
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(told);
    });
});

test("what the system refuses is told in a line, with what to do, and not where in the code it happened", async () => {
  const file = join(cwd, "no-folder");
  writeFileSync(file, "");
  const { code, stdout, stderr } = await shimmy(["cp", "shimmy-tiny", "fast"], { cwd, env: { XDG_DATA_HOME: file } });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^error: E\w+: .*no-folder.*\nhint: `shimmy doctor` .*\n$/);
});
