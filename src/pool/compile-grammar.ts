/**
 * What an answer must look like → grammar. Large schemas are compiled beside the event loop: 20,000 strings take 150 ms, in which no
 * stream would move; small ones in passing. Called by pool.ts before a model is loaded. Bounded in time and memory, and the last ones are
 * remembered.
 */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type CompiledAnswer, compileAnswer, type GrammarJob } from "../chat/answer/grammar.ts";
import { type ErrorCode, type ErrorDetails, ShimmyError } from "../contract/errors.ts";
import { refuseReplaced } from "./package.ts";

/** Beside this code in dist/. */
const WORKER = new URL("./grammar-worker.js", import.meta.url);
const TIME_LIMIT_MS = 10_000;
const MEMORY_LIMIT_MB = 256;
const REMEMBERED = 8;
/** Values in a schema, or characters of one of its strings, that are compiled in passing: a few milliseconds. */
const SMALL = 1000;

/** At once: each takes a core, and may take all of its memory. */
const MOST_THREADS = 3;

/** What the worker sends. */
export type Compilation = CompiledAnswer | { readonly code: ErrorCode; readonly details: ErrorDetails };

/** By a hash of the job; the most recently used last. */
const known = new Map<string, CompiledAnswer>();

/** @throws invalid_value as the compiler does, or when the limits are reached; client_closed, package_replaced */
export async function compileGrammar(job: GrammarJob, signal: AbortSignal): Promise<CompiledAnswer> {
  const key = keyOf(job);
  const here = known.get(key);
  if (here) return remember(key, here);
  if (isSmall(job)) return remember(key, compileAnswer(job));
  return inTurn(async () => known.get(key) ?? remember(key, await compileInThread(job, signal)), signal);
}

function remember(key: string, compiled: CompiledAnswer): CompiledAnswer {
  known.delete(key);
  known.set(key, compiled);
  const [oldest] = known.keys();
  if (known.size > REMEMBERED) known.delete(oldest!);
  return compiled;
}

let threads = 0;
/** Who waits for a thread, the first who came first. */
const waiting: Array<() => void> = [];

/** `work`: what is the same may have been compiled meanwhile. */
async function inTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  if (threads < MOST_THREADS) threads++;
  else await turn(signal);
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else threads--;
  }
}

/** Until somebody is through, whose thread it takes over. @throws client_closed */
function turn(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = () => {
      signal.removeEventListener("abort", leave);
      resolve();
    };
    const leave = () => {
      waiting.splice(waiting.indexOf(go), 1);
      reject(new ShimmyError("client_closed"));
    };
    waiting.push(go);
    signal.addEventListener("abort", leave, { once: true });
  });
}

/** @throws invalid_value for what is nested deeper than JSON.stringify goes */
function keyOf(job: GrammarJob): string {
  try {
    return createHash("sha256").update(JSON.stringify(job)).digest("base64");
  } catch (error) {
    if (error instanceof RangeError) throw new ShimmyError("invalid_value", { param: paramOf(job), reason: "it is nested too deep" });
    throw error;
  }
}

/** What is at fault when all of it is. */
function paramOf({ tools, constraint }: GrammarJob): string {
  return tools.length === 0 && constraint && "param" in constraint ? constraint.param : "tools";
}

/** Grammars are as they come, however long. */
function isSmall({ tools, constraint }: GrammarJob): boolean {
  let left = SMALL;
  const open: unknown[] = [tools, constraint && "schema" in constraint ? constraint.schema : undefined];
  while (open.length > 0 && left-- > 0) {
    const value = open.pop();
    if (typeof value === "string") left -= value.length / SMALL;
    else if (typeof value === "object" && value !== null) for (const each of Object.values(value)) open.push(each);
  }
  return left > 0;
}

async function compileInThread(job: GrammarJob, signal: AbortSignal): Promise<CompiledAnswer> {
  const param = paramOf(job);
  const tooMuch = (what: string) => new ShimmyError("invalid_value", { param, reason: `it takes too much ${what} to compile` });
  refuseReplaced();
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, { workerData: job, resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB } });
    const leave = () => fail(new ShimmyError("client_closed"));
    const timer = setTimeout(() => fail(tooMuch("time")), TIME_LIMIT_MS);
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      void worker.terminate();
    };
    const fail = (error: unknown) => {
      over();
      reject(error);
    };
    signal.addEventListener("abort", leave, { once: true });
    worker.once("message", (answer: Compilation) => {
      over();
      if ("constraint" in answer) resolve(answer);
      else reject(new ShimmyError(answer.code, answer.details));
    });
    worker.once("error", (error: NodeJS.ErrnoException) => fail(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? tooMuch("memory") : error));
  });
}
