/**
 * The first requests to a server: they load its model, find out which fields it takes, and how fast it is, so that the work can be made
 * to fit the time. Called by run.ts. None of them is in a figure.
 */
import { ShimmyError } from "../contract/errors.ts";
import { TimeLimit, timeLimit } from "../contract/time-limit.ts";
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

export interface ProbeOptions {
  readonly seed: number;
  /** Length of the answers, where the user says it: then slow answers are wanted all the same. */
  readonly tokens?: number | undefined;
  readonly signal: AbortSignal;
  /** For people. */
  readonly say: (line: string) => void;
  /** Absent: LIMITS. */
  readonly limits?: Limits;
}

interface Limits {
  /** Loading a large model from a slow disk takes minutes. */
  readonly firstMs: number;
  /** For one short request, and where the user says how long answers are. */
  readonly oneMs: number;
  readonly wantedMs: number;
}

const LIMITS: Limits = { firstMs: 600_000, oneMs: 60_000, wantedMs: 300_000 };
/** Four at once tell nothing that is worth waiting for where one takes as long as this. */
const SLOW_SHARE = 0.25;
const PROMPT_WORDS = 128;
const TOKENS = 16;
const GUESSED_TOKENS_A_WORD = 1.5;

/** @throws first_request_failed, target_too_slow */
export async function probe(server: BenchServer, options: ProbeOptions): Promise<Probed> {
  const { limits = LIMITS, tokens = Number.POSITIVE_INFINITY, signal } = options;
  const target = await dialectOf(server.target, options, limits);
  const oneMs = options.tokens === undefined ? limits.oneMs : limits.wantedMs;
  const length = Math.max(2, Math.min(TOKENS, tokens));
  const within = (client: number, limitMs: number) =>
    ask(target, { client, seed: options.seed, tokens: length, signal: AbortSignal.any([signal, timeLimit(limitMs)]) });
  const one = await within(0, oneMs);
  if (one.overtime)
    throw new ShimmyError("target_too_slow", { url: target.url, words: PROMPT_WORDS, tokens: length, seconds: oneMs / 1000 });
  if (one.error !== undefined) throw refused(target, one);
  if (one.chunkMs.length === 0) throw withoutText(target);
  const four =
    one.endMs - one.sentMs > SLOW_SHARE * oneMs ? [] : await concurrently(4, async (client) => [await within(client + 1, oneMs)]);
  const failed = four.find(({ error, overtime }) => error !== undefined && !overtime);
  if (failed) throw refused(target, failed);
  return { server: { ...server, target }, pace: paceOf(one, four.some(({ overtime }) => overtime) ? [] : four) };
}

interface Question {
  readonly client: number;
  readonly seed: number;
  readonly tokens: number;
  readonly signal: AbortSignal;
}

async function ask(target: Target, { client, seed, tokens, signal }: Question): Promise<RequestRecord & { readonly overtime: boolean }> {
  const messages = [{ role: "user" as const, content: `Go on: ${words(PROMPT_WORDS, 4_000_000 + seed * 10 + client)}` }];
  const record = await streamChat(target, { messages, tokens, client, signal });
  return { ...record, overtime: record.error !== undefined && signal.reason instanceof TimeLimit };
}

/** The most that a server takes of what is wanted: strangers refuse fields that they do not know. */
async function dialectOf({ noEnd, ...target }: Target, { signal, say }: ProbeOptions, { firstMs, oneMs }: Limits): Promise<Target> {
  const richest = { ...target, ...(noEnd && { noEnd }) };
  const dialects: readonly Target[] = [richest, target, { ...richest, withoutUsage: true }, { ...target, withoutUsage: true }];
  const patience = `${target.url}: no answer after ${oneMs / 1000} s; it may be loading, so it has up to ${firstMs / 60_000} minutes. Ctrl-C ends it.`;
  const waiting = setTimeout(() => say(patience), oneMs);
  const within = AbortSignal.any([signal, timeLimit(firstMs)]);
  let first: RequestRecord | undefined;
  try {
    for (const dialect of dialects) {
      const messages = [{ role: "user" as const, content: "Good morning." }];
      const record = await streamChat(dialect, { messages, tokens: TOKENS, client: 0, signal: within });
      if (record.error === undefined && record.chunkMs.length === 0) throw withoutText(target);
      if (record.error === undefined) return dialect;
      first ??= record;
      if (record.status !== 400 && record.status !== 422) break;
    }
  } finally {
    clearTimeout(waiting);
  }
  throw refused(target, first!);
}

function withoutText({ url, modelId }: Target): ShimmyError {
  return new ShimmyError("first_request_failed", { url, model: modelId, reason: "it answered without any text" });
}

function refused({ url, modelId }: Target, { error, status }: RequestRecord): ShimmyError {
  const reason = error ?? `status ${status}`;
  return new ShimmyError("first_request_failed", { url, model: modelId, reason });
}

/** @param one with text @param four empty: nobody knows what they gain, so nothing. Exported for the tests. */
export function paceOf(one: RequestRecord, four: readonly RequestRecord[]): Pace {
  const alone = tokensPerSecond(one);
  const began = Math.min(...four.map(({ chunkMs, endMs }) => chunkMs[0] ?? endMs));
  const ended = Math.max(...four.map(({ endMs }) => endMs));
  const together = four.length === 0 ? alone : perSecond(completionTokens(four), ended - began);
  const prompt = one.usage?.promptTokens;
  return {
    promptWords: perSecond(PROMPT_WORDS, one.chunkMs[0]! - one.sentMs),
    alone,
    // Their prompts are in it, so it may look slower than one alone.
    four: Math.max(alone, together),
    tokensAWord: prompt === undefined ? GUESSED_TOKENS_A_WORD : prompt / PROMPT_WORDS,
  };
}

/** From the first piece to the last, the tokens of the first not counted. An answer in one piece came in the time of the whole request. */
function tokensPerSecond(one: RequestRecord): number {
  const { chunkMs, sentMs } = one;
  const tokens = Math.max(2, completionTokens([one]));
  const pieces = chunkMs.length;
  if (pieces < 2) return perSecond(tokens, one.endMs - sentMs);
  return perSecond((tokens * (pieces - 1)) / pieces, chunkMs.at(-1)! - chunkMs[0]!);
}

function perSecond(count: number, ms: number): number {
  return count / Math.max(1e-3, ms / 1000);
}
