/**
 * Grammars of large schemas, compiled beside the event loop: 20,000 strings take 150 ms, in which no stream would move. Called by
 * generate.ts; small ones were compiled when the request was decoded. Bounded in time and memory, and the last ones are remembered.
 */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type ErrorCode, type ErrorDetails, ShimmyError } from "../contract/errors.ts";
import type { Constraint, GenerationRequest } from "../contract/generation.ts";
import type { DecodedRequest, PendingSchema } from "../protocols/protocol.ts";

/** Beside this code in dist/. */
const WORKER = new URL("./schema-worker.js", import.meta.url);
const TIME_LIMIT_MS = 10_000;
const MEMORY_LIMIT_MB = 256;
const REMEMBERED = 8;

type Answer = { readonly gbnf: string } | { readonly code: ErrorCode; readonly details: ErrorDetails };

/** By a hash of schema and field; the most recently used last. */
const known = new Map<string, string>();

/** The request with its grammar. @throws invalid_value as the compiler does, or when the limits are reached; client_closed */
export async function withGrammar(request: DecodedRequest, signal: AbortSignal): Promise<GenerationRequest> {
  const { constraint, ...rest } = request;
  if (!constraint) return rest;
  return { ...rest, constraint: "gbnf" in constraint ? constraint : await compiled(constraint, signal) };
}

async function compiled(pending: PendingSchema, signal: AbortSignal): Promise<Constraint> {
  const key = createHash("sha256").update(JSON.stringify(pending)).digest("base64");
  const gbnf = known.get(key) ?? (await compileInThread(pending, signal));
  known.delete(key);
  known.set(key, gbnf);
  const [oldest] = known.keys();
  if (known.size > REMEMBERED) known.delete(oldest!);
  return { gbnf };
}

function compileInThread(pending: PendingSchema, signal: AbortSignal): Promise<string> {
  const { param } = pending;
  const tooMuch = (what: string) => new ShimmyError("invalid_value", { param, reason: `it takes too much ${what} to compile` });
  return new Promise<string>((resolve, reject) => {
    const worker = new Worker(WORKER, { workerData: pending, resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB } });
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
    worker.once("message", (answer: Answer) => {
      over();
      if ("gbnf" in answer) resolve(answer.gbnf);
      else reject(new ShimmyError(answer.code, answer.details));
    });
    worker.once("error", (error: NodeJS.ErrnoException) => fail(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? tooMuch("memory") : error));
  });
}
