/** Runs the built command line to its end, as a script would, in a folder of its own. Used by the suites of the commands. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { CLI, cleanEnvironment } from "./server.ts";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped into it; absent: nothing is there to read. */
  readonly input?: string;
}

/** A folder that is gone after the suite. Call it while the test file is loaded. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "shimmy-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** No settings of the person who runs the tests, neither variables nor files. */
export function bareEnvironment(folder: string): NodeJS.ProcessEnv {
  return { ...cleanEnvironment(), XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, HOME: folder, USERPROFILE: folder };
}

export async function shimmy(args: readonly string[], { cwd, env = {}, input = "" }: CommandOptions): Promise<Finished> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: { ...bareEnvironment(cwd), ...env } });
  child.stdin.on("error", () => undefined); // it may end without reading
  child.stdin.end(input);
  return finished(child);
}

/** What a child with piped output said until it ended. Throws where it could not be started. */
export async function finished(child: ChildProcess): Promise<Finished> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => child.once("close", resolve).once("error", reject));
  return { code, stdout, stderr };
}
