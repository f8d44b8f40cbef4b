/**
 * Starts an instance on a free port for as long as it is measured, and the bare server that it is compared with. Called by
 * cli/validate.ts, validate/start-up.ts and plan/measure.ts: base memory is one figure, whoever asks.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryOf } from "./processes.ts";
import type { CommandLine } from "./validate/cli-access.ts";
import type { OwnProcess } from "./validate/subject.ts";

export interface OwnServer extends OwnProcess {
  readonly url: string;
  /** SIGTERM, and SIGKILL after a while. */
  stop(): Promise<void>;
}

type Surroundings = Pick<CommandLine, "env" | "signal">;

const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 10_000;
/** Node's start-up garbage is collected by then, or never. */
const SETTLE_MS = 700;
const POLL_MS = 200;
const STDERR_KEPT = 4096;

/** The smallest server of node:http that answers, as a module like ours: a script is 0.3 MB smaller. */
const BARE_SERVER = `import { createServer } from "node:http";
const server = createServer((_, response) => response.end('{"status":"ok"}'));
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: "http://127.0.0.1:" + server.address().port })));
`;

/** With the models of --preload. @throws Error whose message is what the process said before it ended. */
export function startServer({ command: [program, ...first], ...around }: CommandLine, flags: readonly string[] = []): Promise<OwnServer> {
  return start(program, [...first, "serve", "--bind", "127.0.0.1:0", "--json", ...flags], around);
}

/** Private memory of a server that does nothing, in bytes; undefined where the system does not tell. */
export async function bareServerBytes({ env, signal }: Surroundings): Promise<number | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "shimmy-bare-"));
  try {
    const file = join(folder, "bare.mjs");
    await writeFile(file, BARE_SERVER);
    const { idleBytes, stop } = await start(process.execPath, [file], { env, signal });
    await stop();
    return idleBytes;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function start(program: string, args: readonly string[], { env, signal }: Surroundings): Promise<OwnServer> {
  const began = performance.now();
  const child = spawn(program, args, { env, signal, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = () => end(child, ended);
  const gone = lastWords(child);
  const alive = <T>(promise: Promise<T>) => Promise.race([promise, gone]);
  try {
    const url = await alive(readyUrl(child));
    await alive(healthOf(url));
    const [startMs, pid] = [performance.now() - began, child.pid ?? 0];
    await alive(sleep(SETTLE_MS));
    const idleBytes = memoryOf(pid)?.privateDirty;
    while ((await alive(healthOf(url))) === "loading") await alive(sleep(POLL_MS));
    return { url, pid, startMs, stop, ...(idleBytes !== undefined && { idleBytes }) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Rejects when it ends, with the error that it told. */
function lastWords(child: ChildProcess): Promise<never> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const gone = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const lines = stderr.trim().split("\n");
      const told = lines.find((line) => line.startsWith("error: ")) ?? lines.at(-1);
      reject(new Error(told?.replace(/^error: /, "") || `it ended with ${code}`));
    });
  });
  // Its end after the checks is wanted.
  gone.catch(() => undefined);
  return gone;
}

function readyUrl(child: ChildProcess): Promise<string> {
  let stdout = "";
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`it was not ready after ${START_LIMIT_MS / 1000} s`)), START_LIMIT_MS);
    child.once("close", () => clearTimeout(limit));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (!stdout.includes("\n")) return;
      clearTimeout(limit);
      resolve((JSON.parse(stdout.slice(0, stdout.indexOf("\n"))) as { url: string }).url);
    });
  });
}

/** By node:http, for fetch would cost its own start the first time. */
function healthOf(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/health`, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.once("end", () => resolve((JSON.parse(text) as { status?: unknown }).status));
    });
    request.once("error", reject);
  });
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
  await ended;
  clearTimeout(hard);
}
