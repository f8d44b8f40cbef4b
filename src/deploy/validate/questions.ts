/**
 * Questions to a model, and how long one is waited for: it is loaded first, where it can be seen that it gets on, so an engine that stands
 * still is told from a model that is large. Called by api.ts and running.ts.
 */
import { encodedPath } from "../../contract/encoded-path.ts";
import { ShimmyError } from "../../contract/errors.ts";
import type { Answer, Patience, Server } from "./subject.ts";

/** Six times what the template's alert bears for a whole short answer. */
const STILL_MS = 30_000;
/** Sixteen tokens, each some seconds. */
const ANSWER = { quietMs: STILL_MS, wholeMs: 120_000 };
/** 60 GB from a disk that gives 100 MB/s. */
const LOAD = { quietMs: STILL_MS, wholeMs: 600_000 };

interface Question extends Readonly<Record<string, unknown>> {
  readonly model: string;
  /** Present: the answer is text, and can come in pieces. */
  readonly max_tokens?: number;
}

/** What comes in one piece shows no progress, so one token is asked for first, streamed. @throws server_unreachable */
export async function askModel(server: Server, path: string, body: Question): Promise<Answer> {
  await loadFirst(server, body.model);
  if (body.max_tokens === undefined) return server.ask(path, { method: "POST", body, limitMs: STILL_MS });
  await drained(server, path, { ...body, max_tokens: 1, stream: true }, ANSWER);
  return server.ask(path, { method: "POST", body, limitMs: ANSWER.wholeMs });
}

/** @throws server_unreachable, server_refused */
export async function* streamOfModel(server: Server, path: string, body: Question) {
  await loadFirst(server, body.model);
  yield* server.stream(path, { ...body, stream: true }, ANSWER);
}

function loadFirst(server: Server, model: string): Promise<void> {
  return drained(server, `/api/models/${encodedPath(model)}/load`, { stream: true }, LOAD);
}

/** A refusal is not told: the question that follows says what is wrong, if anything is. @throws server_unreachable */
async function drained(server: Server, path: string, body: unknown, patience: Patience): Promise<void> {
  const pieces = server.stream(path, body, patience);
  try {
    while (!(await pieces.next()).done);
  } catch (thrown) {
    if (ShimmyError.from(thrown).code !== "server_refused") throw thrown;
  }
}
