/**
 * The first requests to a server: they load its model, find out which fields it takes, and how fast it is, so that the work can be made
 * to fit the time. Called by run.ts. None of them is in a figure.
 */
import { ShimmyError } from "../contract/errors.ts";
import { type RequestRecord, streamChat, type Target } from "./measure/client.ts";
import { completionTokens } from "./measure/figures.ts";
import type { BenchServer } from "./server.ts";
import { words } from "./workloads/words.ts";
import { concurrently } from "./workloads/workload.ts";

/** Roughly, per second. */
export interface Pace {
  readonly promptWords: number;
  /** Tokens of one client, and of four together. */
  readonly alone: number;
  readonly four: number;
  /** Where usage tells. */
  readonly tokensAWord: number;
}

export interface Probed {
  readonly server: BenchServer;
  readonly pace: Pace;
}

/** Loading a large model from a slow disk takes minutes. */
const FIRST_LIMIT_MS = 600_000;
const LIMIT_MS = 120_000;
const PROMPT_WORDS = 128;
const TOKENS = 16;
const GUESSED_TOKENS_A_WORD = 1.5;

/** @throws first_request_failed */
export async function probe(server: BenchServer, seed: number, signal: AbortSignal): Promise<Probed> {
  const spoken = await dialectOf(server.target, AbortSignal.any([signal, AbortSignal.timeout(FIRST_LIMIT_MS)]));
  const noEnd = await server.endBan?.();
  const target = { ...spoken, ...(noEnd && { noEnd }) };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  const one = await ask(target, 0, seed, limit);
  const four = await concurrently(4, async (client) => [await ask(target, client + 1, seed, limit)]);
  const failed = [one, ...four].find(({ error }) => error !== undefined);
  if (failed) throw refused(target, failed);
  return { server: { ...server, target }, pace: paceOf(one, four) };
}

function ask(target: Target, client: number, seed: number, signal: AbortSignal): Promise<RequestRecord> {
  const messages = [{ role: "user" as const, content: `Go on: ${words(PROMPT_WORDS, 4_000_000 + seed * 10 + client)}` }];
  return streamChat(target, { messages, tokens: TOKENS, client, signal });
}

/** The most that a server takes of what is wanted: strangers refuse fields that they do not know. */
async function dialectOf({ noEnd, ...target }: Target, signal: AbortSignal): Promise<Target> {
  const richest = { ...target, ...(noEnd && { noEnd }) };
  const dialects: readonly Target[] = [richest, target, { ...richest, withoutUsage: true }, { ...target, withoutUsage: true }];
  let first: RequestRecord | undefined;
  for (const dialect of dialects) {
    const messages = [{ role: "user" as const, content: "Good morning." }];
    const record = await streamChat(dialect, { messages, tokens: TOKENS, client: 0, signal });
    if (record.error === undefined && record.chunkMs.length === 0)
      throw refused(target, { ...record, error: "it answered without any text" });
    if (record.error === undefined) return dialect;
    first ??= record;
    if (record.status !== 400 && record.status !== 422) break;
  }
  throw refused(target, first!);
}

function refused({ url, modelId }: Target, { error, status }: RequestRecord): ShimmyError {
  const reason = error ?? `status ${status}`;
  return new ShimmyError("first_request_failed", { url, model: modelId, reason });
}

/** Exported for the tests. */
export function paceOf(one: RequestRecord, four: readonly RequestRecord[]): Pace {
  const last = one.chunkMs.at(-1)!;
  const tokens = Math.max(2, completionTokens([one]));
  const alone = (tokens - 1) / Math.max(1e-3, (last - one.chunkMs[0]!) / 1000);
  const began = Math.min(...four.map(({ chunkMs, endMs }) => chunkMs[0] ?? endMs));
  const ended = Math.max(...four.map(({ endMs }) => endMs));
  const together = completionTokens(four) / Math.max(1e-3, (ended - began) / 1000);
  const prompt = one.usage?.promptTokens;
  return {
    promptWords: PROMPT_WORDS / Math.max(1e-3, (one.chunkMs[0]! - one.sentMs) / 1000),
    alone,
    // Their prompts are in it, so it may look slower than one alone.
    four: Math.max(alone, together),
    tokensAWord: prompt === undefined ? GUESSED_TOKENS_A_WORD : prompt / PROMPT_WORDS,
  };
}
