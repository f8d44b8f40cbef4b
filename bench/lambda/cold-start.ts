/** One instance of the function from its start to its end: a cold request, a warm one, and the memory it took. Called by bench/lambda.ts. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { treeOf } from "../../src/bench/measure/process-tree.ts";
import { Cgroups } from "../../test/support/container/cgroups.ts";
import { functionUrlEvent, type Invoked, LambdaApi } from "../../test/support/lambda-api.ts";

/** From the hand-out of the event, in ms. */
export interface Timing {
  /** Of the body: with a stream that may be a comment which keeps the connection alive. */
  readonly byteMs: number;
  readonly tokenMs: number;
  readonly endMs: number;
}

export interface ColdStart {
  /** From the start of the process until it asks for its first event. */
  readonly initMs: number;
  readonly cold: Timing;
  readonly warm: Timing;
  /** Sum of the peaks (VmHWM) of all processes; pages of the model that are mapped count. */
  readonly peakBytes: number;
  /** What the kernel charged at most, page cache that it could drop included. */
  readonly cgroupBytes?: number;
}

export interface Instance {
  readonly task: string;
  /** New for each: no cache of an earlier one helps. */
  readonly home: string;
  readonly model: string;
  readonly memoryMegabytes?: number;
}

const KEY = "a-key-of-the-bench";
/** Lambda gives a processor for each. */
const MEGABYTES_OF_PROCESSOR = 1769;
let counter = 0;

export async function coldStart({ task, home, model, memoryMegabytes }: Instance): Promise<ColdStart> {
  mkdirSync(home);
  const api = new LambdaApi();
  const limits = memoryMegabytes === undefined ? {} : { memoryBytes: memoryMegabytes * 1024 ** 2, cpus: share(memoryMegabytes) };
  const cgroups = new Cgroups(`shimmy-lambda-${process.pid}-${++counter}`, limits);
  const join = cgroups.controllers.map((name) => `echo $$ > ${cgroups.folder(name)}/cgroup.procs; `).join("");
  const env = {
    PATH: process.env.PATH,
    ...{ HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home },
    ...{
      SHIMMY_API_KEY: KEY,
      SHIMMY_FILES: "false",
      SHIMMY_MODEL_STORES: "off",
      SHIMMY_LOG_LEVEL: "error",
      SHIMMY_MODEL_DIRS: dirname(model),
    },
    ...{ AWS_LAMBDA_RUNTIME_API: await api.listen(), LAMBDA_TASK_ROOT: task, _HANDLER: "lambda.handler" },
  };
  const begun = performance.now();
  const command = ["-c", `${join}exec "$0" "$@"`, process.execPath, resolve("test/deploy/lambda-runtime.mjs")];
  const child = spawn("sh", command, { cwd: task, env, stdio: ["ignore", "ignore", "inherit"] });
  const failed = new Promise<never>((_, reject) => child.once("exit", (code) => reject(new Error(`the handler ended with ${code}`))));
  failed.catch(() => undefined); // it is awaited below, or ended by us
  try {
    const initMs = (await Promise.race([api.polled, failed])) - begun;
    const ask = async () => timing(await Promise.race([api.invoke(question(model)), failed]));
    const [cold, warm] = [await ask(), await ask()];
    const peakBytes = treeOf(child.pid as number).reduce((sum, pid) => sum + highWater(pid), 0);
    const cgroupBytes = cgroups.controllers.includes("memory") ? Number(cgroups.read("memory/memory.max_usage_in_bytes")) : undefined;
    return { initMs, cold, warm, peakBytes, ...(cgroupBytes !== undefined && { cgroupBytes }) };
  } finally {
    await end(child);
    api.close();
    await cgroups.remove();
  }
}

function share(memoryMegabytes: number): number {
  return Math.min(cpus().length, memoryMegabytes / MEGABYTES_OF_PROCESSOR);
}

function question(model: string): object {
  const body = {
    // Quantization is no part of a name that is asked for.
    model: basename(model, ".gguf").replace(/-q\d_\w+$/, ""),
    messages: [{ role: "user", content: "What is the capital of France?" }],
    ...{ temperature: 0, max_tokens: 32, stream: true },
  };
  return functionUrlEvent("POST", "/v1/chat/completions", { body, headers: { "x-api-key": KEY } });
}

function timing({ statusCode, parts, endMs }: Invoked): Timing {
  const token = parts.find(({ text }) => /"content":"[^"]/.test(text));
  const [first] = parts;
  if (statusCode !== 200 || !first || !token) throw new Error(`no answer: ${statusCode} ${parts.map(({ text }) => text).join("")}`);
  return { byteMs: first.atMs, tokenMs: token.atMs, endMs };
}

function highWater(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

/** The engine ends when its gateway is gone; a cgroup can be removed when all have. */
async function end(child: ChildProcess): Promise<void> {
  const all = treeOf(child.pid as number);
  child.kill("SIGKILL");
  const alive = (pid: number) => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false; // gone
    }
  };
  while (all.some(alive)) await sleep(5);
}

/**
 * Files, and those below folders, leave the page cache (posix_fadvise DONTNEED, by GNU dd). @throws if some of the model stayed: then it
 * would be no cold read.
 */
export function dropFromCache(paths: readonly string[]): void {
  const script = 'find -L "$@" -type f -exec sh -c \'for f; do dd if="$f" iflag=nocache count=0 2> /dev/null; done\' sh {} +';
  execFileSync("sh", ["-c", script, "sh", ...paths]);
  const [model = ""] = paths;
  const left = Number(execFileSync("fincore", ["--bytes", "--noheadings", "--output", "RES", model], { encoding: "utf8" }));
  if (left > 0) throw new Error(`${left} bytes of ${model} stayed in the page cache: another process has it open`);
}
