/** Starts an instance on a free port for the time of the checks. Called by cli/validate.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { get } from "node:http";
import type { CommandLine } from "./cli-access.ts";
import type { OwnProcess } from "./subject.ts";

export interface OwnServer extends OwnProcess {
  readonly url: string;
  /** SIGTERM, and SIGKILL after a while. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 10_000;
const STDERR_KEPT = 4096;

/** @throws Error whose message is what the process said before it ended. */
export async function startServer({ command: [program, ...first], env }: CommandLine): Promise<OwnServer> {
  const began = performance.now();
  const child = spawn(program, [...first, "serve", "--bind", "127.0.0.1:0", "--json"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = () => end(child, ended);
  try {
    const url = await readyUrl(child);
    await firstAnswer(url);
    return { url, pid: child.pid ?? 0, startMs: performance.now() - began, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function readyUrl(child: ChildProcess): Promise<string> {
  let stdout = "";
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`it was not ready after ${START_LIMIT_MS / 1000} s`)), START_LIMIT_MS);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(limit);
      const told = stderr.split("\n").find((line) => line.startsWith("error: ")) ?? stderr.trim().split("\n").at(-1);
      reject(new Error(told?.replace(/^error: /, "") || `it ended with ${code}`));
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const line = stdout.includes("\n") ? stdout.slice(0, stdout.indexOf("\n")) : undefined;
      if (line === undefined) return;
      clearTimeout(limit);
      resolve((JSON.parse(line) as { url: string }).url);
    });
  });
}

/** By node:http, for fetch would cost its own start the first time. Any status is an answer: it may still load. */
function firstAnswer(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/health`, { agent: false }, (response) => response.resume().once("end", () => resolve()));
    request.once("error", reject);
  });
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
  await ended;
  clearTimeout(hard);
}
