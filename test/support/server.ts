/** Starts the built command line as a user would and talks to it. `npm test` builds first. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const CLI = resolve("dist/cli.js");
export const TINY = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

const shared = resolve("../shared/models");
/** Real models beside the project; a user's clone has none, and tests that need them skip saying so. */
export const SMOLLM2 = join(shared, "smollm2-135m-instruct-q4_1.gguf");
export const MINILM = join(shared, "all-minilm-l6-v2-q8_0.gguf");
export const NO_SHARED = existsSync(SMOLLM2) ? undefined : "the models of ../shared are not on this machine";

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Pids of its engine processes. */
  engines(): Promise<number[]>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory; absent: an empty one of its own. */
  readonly cwd?: string;
  /** `ulimit -n`. */
  readonly openFiles?: number;
  /** `ulimit -v`, in kilobytes. */
  readonly addresses?: number;
  /** Of another copy of the package; absent: the one that was built here. */
  readonly cli?: string;
}

/** A server on a free port of loopback, with only the embedded model unless told otherwise. Stop it in `afterAll`. */
export async function startServer({ args = [], env = {}, cwd, openFiles, addresses, cli = CLI }: StartOptions = {}): Promise<TestServer> {
  const folder = cwd ?? mkdtempSync(join(tmpdir(), "shimmy-test-"));
  const command = [process.execPath, cli, "serve", "--bind", "127.0.0.1:0", "--json", ...args];
  const limits = [openFiles !== undefined && `ulimit -n ${openFiles}`, addresses !== undefined && `ulimit -v ${addresses}`].filter(Boolean);
  const [program, ...rest] = limits.length === 0 ? command : ["sh", "-c", [...limits, 'exec "$@"'].join("; "), "sh", ...command];
  const child = spawn(program!, rest, {
    cwd: folder,
    // No configuration and no models of the person who runs the tests.
    env: { ...cleanEnvironment(), XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, HOME: folder, USERPROFILE: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const line = await Promise.race([
    firstLine(child),
    ended.then((code) => Promise.reject(new Error(`serve ended with ${code}: ${stderr}`))),
  ]);
  const { url, port } = JSON.parse(line);
  const pid = child.pid!;
  return {
    url,
    port,
    pid,
    process: child,
    stderr: () => stderr,
    engines: () => childrenOf(pid),
    stop: async () => {
      child.kill("SIGTERM");
      const code = await ended;
      if (!cwd) rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

/** Without what leads to settings, caches and models of the person who runs the tests; HOME is for the caller to set. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SHIMMY|XDG|OLLAMA|HF|HUGGINGFACE|LLAMA)_/.test(name)));
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    child.stdout!.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
  });
}

async function childrenOf(pid: number): Promise<number[]> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}

/** POST with JSON. */
export function post(server: TestServer, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(server.url + path, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Asks until it is true; the test's own time-out ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
