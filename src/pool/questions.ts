/**
 * What is asked of a model beside generation, for `Pool`: which model can answer it, and how its engine is asked. Loaded with the first
 * such question. Residency, limits and the end of an engine are those of generation.
 */
import type {
  EmbeddingRequest,
  EmbeddingResult,
  ScoreRequest,
  ScoreResult,
  TokenizeOptions,
  VocabularyToken,
} from "../contract/embedding.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { ResolvedModel } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { Answer, Question } from "../engine/ipc.ts";
import { makesVectors, ranks } from "../models/capabilities.ts";
import { abortable } from "./abortable.ts";
import { engineIsReplaced } from "./first-words.ts";
import type { Residents } from "./residents.ts";

export interface AskParts {
  readonly residents: Residents;
  readonly maxQueue: number;
}

/** Seconds after which one of many questions should be answered. */
const RETRY_SECONDS = 1;

type Limits = Pick<EmbeddingRequest, "truncate" | "truncateTo" | "priority" | "keepAliveMs">;

/** @throws model_makes_no_vectors, and what the contract's Embedder says. */
export async function embed(
  parts: AskParts,
  model: ResolvedModel,
  request: EmbeddingRequest,
  signal: AbortSignal,
): Promise<EmbeddingResult> {
  const { info } = model;
  if (!makesVectors(info)) throw new ShimmyError("model_makes_no_vectors", { model: info.id, what: kindOf(info) });
  const { inputs, pooling } = request;
  return vectorsOf(parts, model, { kind: "embed", inputs, ...(pooling && { pooling }), ...cutOf(request) }, request, signal);
}

export async function score(parts: AskParts, model: ResolvedModel, request: ScoreRequest, signal: AbortSignal): Promise<ScoreResult> {
  if (!ranks(model.info)) return cosines(parts, model, request, signal);
  const { vectors, tokens } = await vectorsOf(parts, model, { kind: "score", pairs: request.pairs, ...cutOf(request) }, request, signal);
  return { scores: vectors.map(([value]) => value!), kind: "reranker", tokens };
}

export async function tokenize(
  parts: AskParts,
  model: ResolvedModel,
  text: string,
  options: TokenizeOptions,
  signal: AbortSignal,
): Promise<VocabularyToken[]> {
  const answer = await ask(parts, model.info, { kind: "tokenize", text, options }, {}, signal);
  if (answer.kind !== "tokens") throw new Error(`${answer.kind} for tokenize`);
  const { ids, lengths, bytes } = answer;
  let at = 0;
  return Array.from(ids, (id, index) => {
    const start = at;
    at += lengths[index]!;
    return { id, bytes: bytes.subarray(start, at) };
  });
}

export async function detokenize(parts: AskParts, model: ResolvedModel, tokens: readonly number[], signal: AbortSignal): Promise<string> {
  const answer = await ask(parts, model.info, { kind: "detokenize", tokens }, {}, signal);
  if (answer.kind !== "text") throw new Error(`${answer.kind} for detokenize`);
  return answer.text;
}

/** Each text once, however many pairs it is in: a query has as many as there are documents. Vectors have the length 1, so it is their product. */
async function cosines(parts: AskParts, model: ResolvedModel, request: ScoreRequest, signal: AbortSignal): Promise<ScoreResult> {
  const places = new Map<string, number>();
  const placeOf = (text: string) => {
    const known = places.get(text) ?? places.size;
    places.set(text, known);
    return known;
  };
  const pairs = request.pairs.map(({ query, document }) => [placeOf(query), placeOf(document)] as const);
  const inputs = [...places.keys()].map((text) => ({ text }));
  const { vectors, tokens } = await embed(parts, model, { ...request, inputs }, signal);
  return {
    scores: pairs.map(([a, b]) => product(vectors[a]!, vectors[b]!)),
    kind: "cosine",
    tokens: pairs.map(([a, b]) => tokens[a]! + tokens[b]!),
  };
}

async function vectorsOf(
  parts: AskParts,
  { info, adapter }: ResolvedModel,
  question: Question,
  limits: Limits,
  signal: AbortSignal,
): Promise<EmbeddingResult> {
  if (adapter) throw new ShimmyError("adapter_unusable", { adapter: adapter.name, reason: "vectors are made by the model alone" });
  const answer = await ask(parts, info, question, limits, signal);
  if (answer.kind !== "vectors") throw new Error(`${answer.kind} for ${question.kind}`);
  const { width, values, tokens } = answer;
  return { vectors: tokens.map((_, index) => values.subarray(index * width, (index + 1) * width)), tokens };
}

/** Again, when a backend has failed and another one is to be tried (pool.ts). */
async function ask(
  parts: AskParts,
  info: ModelInfo,
  question: Question,
  { keepAliveMs, priority = 0 }: Limits,
  signal: AbortSignal,
): Promise<Answer> {
  for (;;) {
    const { resident, release } = await parts.residents.join(info, signal, priority);
    if (keepAliveMs !== undefined) resident.keepAliveMs = keepAliveMs;
    try {
      const loaded = await abortable(resident.opening, signal);
      const queued = loaded.process.asked(priority);
      if (queued > parts.maxQueue) throw new ShimmyError("queue_full", { model: info.id, queued, retry_after: RETRY_SECONDS });
      try {
        const answer = await loaded.process.ask(question, signal, release);
        parts.residents.backoff.succeeded(info.id);
        loaded.backends.succeeded(loaded.candidate);
        return answer;
      } catch (error) {
        if (!(await engineIsReplaced(loaded, error))) throw withModel(info, error);
      }
    } finally {
      release();
    }
  }
}

/** What an engine cannot know of a question that waited too long. */
function withModel({ id }: ModelInfo, error: unknown): unknown {
  if (!(error instanceof ShimmyError) || error.code !== "queue_timeout") return error;
  return new ShimmyError("queue_timeout", { ...error.details, model: id, retry_after: RETRY_SECONDS });
}

function cutOf({ truncate, truncateTo, priority }: Limits) {
  return {
    ...(truncate !== undefined && { truncate }),
    ...(truncateTo !== undefined && { truncateTo }),
    ...(priority !== undefined && { priority }),
  };
}

function kindOf(info: ModelInfo): string {
  return ranks(info) ? "a reranker, which scores pairs of texts" : `of the kind ${info.architecture}`;
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
