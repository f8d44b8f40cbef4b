/** `shimmy config` and what every command does with settings that are wrong: exit code 2 and words that help. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shimmy, temporaryFolder } from "../support/command.ts";

const cwd = temporaryFolder();
const file = join(cwd, "settings.yaml");
writeFileSync(file, "shimmy_config:\n  max_queue: 9\n  threads: 2\n  api_key: from-the-file\n");

interface Shown {
  readonly file: string | null;
  readonly settings: ReadonlyArray<{ readonly key: string; readonly value: string; readonly source: string }>;
  readonly warnings: readonly string[];
}

async function show(args: readonly string[], env: Record<string, string> = {}): Promise<Shown> {
  const { code, stdout, stderr } = await shimmy(["config", "--json", ...args], { cwd, env });
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

test("each value is told with what set it: flag over environment over file over default", async () => {
  const { file: read, settings } = await show(["--config", file, "--max-queue", "7"], { SHIMMY_THREADS: "3", SHIMMY_MAX_QUEUE: "8" });
  expect(read).toBe(file);
  const rows = Object.fromEntries(settings.map(({ key, value, source }) => [key, [value, source]]));
  expect(rows).toMatchObject({
    maxQueue: ["7", "--max-queue"],
    threads: ["3", "SHIMMY_THREADS"],
    apiKey: ["****", file],
    port: ["11435", "default"],
  });
});

test("secrets are masked, whatever gave them", async () => {
  for (const [args, env] of [
    [["--api-key", "hunter2"], {}],
    [[], { SHIMMY_API_KEY: "hunter2" }],
    [["--config", file], {}],
  ] as const) {
    const { stdout, stderr } = await shimmy(["config", ...args], { cwd, env });
    expect(stdout).toMatch(/^apiKey +\*{4} /m);
    expect(stdout + stderr).not.toMatch(/hunter2|from-the-file/);
  }
});

test("for people it is a table, and warnings go to stderr", async () => {
  const { code, stdout, stderr } = await shimmy(["config"], { cwd, env: { SHIMMY_THREDS: "3" } });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^SETTING +VALUE +FROM\n/);
  expect(stderr).toBe("warning: environment: SHIMMY_THREDS is not a setting; did you mean SHIMMY_THREADS?\n");
});

describe("a wrong setting ends every command with exit code 2", () => {
  const wrong = temporaryFolder();
  writeFileSync(join(wrong, "shimmy.yaml"), "shimmy_config:\n  max_queu: 9\n");

  for (const command of [
    ["serve"],
    ["list"],
    ["run", "hello"],
    ["generate", "shimmy-tiny", "--prompt", "hello"],
    ["probe", "shimmy-tiny"],
    ["config"],
  ])
    test(`${command[0]}: an unknown key, told with its file, its name and what is allowed`, async () => {
      const { code, stdout, stderr } = await shimmy(command, { cwd: wrong });
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(`${join(wrong, "shimmy.yaml")}: unknown key 'max_queu'`);
      expect(stderr).toContain("Did you mean 'max_queue'?");
      expect(stderr).toMatch(/Allowed are bind, port, /);
    });

  test("a bad value, told with its file, its key and what is allowed", async () => {
    const bad = join(wrong, "bad.yaml");
    writeFileSync(bad, "log_level: loud\n");
    const { code, stderr } = await shimmy(["config", "--config", bad], { cwd });
    expect(code).toBe(2);
    expect(stderr).toBe(`error: ${bad}: log_level: 'loud' is not allowed: use error, warn, info, debug\n`);
  });

  test("a bad variable, told with its name", async () => {
    const { code, stderr } = await shimmy(["config"], { cwd, env: { SHIMMY_PORT: "http" } });
    expect([code, stderr]).toEqual([2, expect.stringContaining("environment: SHIMMY_PORT: 'http' is not allowed")]);
  });

  test("a file that is not there", async () => {
    const { code, stderr } = await shimmy(["config", "--config", "nowhere.yaml"], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining("nowhere.yaml cannot be read as configuration")]);
  });
});
