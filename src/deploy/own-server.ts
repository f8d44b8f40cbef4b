/**
 * Starts an instance on a free port for as long as it is measured, and the bare server that it is compared with. Called by
 * cli/validate.ts, validate/start-up.ts and plan/measure.ts: base memory is one figure, whoever asks.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { memoryOf } from "./processes.ts";

/** How this Shimmy is started, as a server or with other words. */
export interface CommandLine {
  /** The program and what precedes its words. */
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Ends what was started. */
  readonly signal: AbortSignal;
}

/** What is known of it once it is ready. */
export interface OwnProcess {
  readonly pid: number;
  /** From its start to its first answer. */
  readonly startMs: number;
  /** Private memory before anything but its health was asked, in bytes; absent: this system does not tell. */
  readonly idleBytes?: number;
}

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

/** With the models of --preload. @throws Error whose message is what the process said before it ended. */
export function startServer({ command: [program, ...first], ...around }: CommandLine, flags: readonly string[] = []): Promise<OwnServer> {
  return start(program, [...first, "serve", "--bind", "127.0.0.1:0", "--json", ...flags], around);
}

/** Private memory of a server that does nothing, in bytes; undefined where the system does not tell. */
export async function bareServerBytes({ env, signal }: Surroundings): Promise<number | undefined> {
  const file = fileURLToPath(new URL("./bare-server.js", import.meta.url));
  const { idleBytes, stop } = await start(process.execPath, [file], { env, signal });
  await stop();
  return idleBytes;
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
      const line = stdout.slice(0, stdout.indexOf("\n"));
      try {
        resolve((JSON.parse(line) as { url: string }).url);
      } catch {
        reject(new Error(`its first line is not the ready line: ${line.slice(0, 200)}`));
      }
    });
  });
}

/** By node:http, for fetch would cost its own start the first time. */
function healthOf(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/health`, { agent: false, signal: AbortSignal.timeout(START_LIMIT_MS) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.once("error", reject);
      response.once("end", () => {
        try {
          resolve((JSON.parse(text) as { status?: unknown }).status);
        } catch (error) {
          reject(error);
        }
      });
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
