/** A server of this Shimmy on a free port of loopback, started to be measured, and an empty one of Node to compare it with. Called by measure.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { notMeasured } from "./client.ts";
import { privateBytes } from "./processes.ts";

export interface OwnServer {
  readonly url: string;
  readonly pid: number;
  readonly startMs: number;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 30_000;
/** Both are looked at after so long: what a start leaves behind is collected by then. */
const SETTLE_MS = 400;
const STDERR_CHARS = 500;

const EMPTY_SERVER = `require("node:http").createServer().listen(0, "127.0.0.1", () => console.log("ready"))`;

/** @param arguments_ of `node`: the entry of the command line, `serve` and its flags. @throws not_measured */
export async function startOwnServer(arguments_: readonly string[]): Promise<OwnServer> {
  const began = performance.now();
  const child = spawn(process.execPath, arguments_, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => end(child);
  try {
    const line = await readyLine(child);
    const startMs = performance.now() - began;
    const { url } = JSON.parse(line) as { url: string };
    return { url, pid: child.pid!, startMs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Private memory of an empty node:http server; undefined where the system does not tell. */
export async function emptyServerBytes(): Promise<number | undefined> {
  if (privateBytes(process.pid) === undefined) return undefined;
  const child = spawn(process.execPath, ["-e", EMPTY_SERVER], { stdio: ["ignore", "pipe", "pipe"] });
  try {
    await readyLine(child);
    await settle();
    return privateBytes(child.pid!);
  } finally {
    await end(child);
  }
}

export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

function readyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let err = "";
    const timer = setTimeout(() => reject(notMeasured(`the server was not ready in ${START_LIMIT_MS / 1000} s`)), START_LIMIT_MS);
    const done = () => clearTimeout(timer);
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      err = (err + text).slice(-STDERR_CHARS);
    });
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      if (!out.includes("\n")) return;
      done();
      resolve(out.slice(0, out.indexOf("\n")));
    });
    child.once("error", (error) => {
      done();
      reject(notMeasured(error.message));
    });
    child.once("exit", (code) => {
      done();
      reject(notMeasured(`the server ended with ${code}: ${err.trim()}`));
    });
  });
}

/** Its engines end with it. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const hurry = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(hurry);
}
