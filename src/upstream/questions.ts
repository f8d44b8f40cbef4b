/**
 * What is asked of an upstream beside generation → its route and body, and its answer → ours. Called by asking.ts; pure. What a kind of
 * server has no route for is refused, and so is a wish that it does not know: nothing is left out in silence.
 *
 * Routes: /v1/embeddings (OpenAI), /v1/rerank (Jina; llama-server, vLLM), /v1/score (vLLM), /tokenize and /detokenize (llama-server:
 * tools/server/README.md; vLLM: vllm/entrypoints/openai/protocol.py, TokenizeCompletionRequest), /apply-template (llama-server).
 */
import type {
  EmbeddingRequest,
  EmbeddingResult,
  ScoreRequest,
  ScoreResult,
  TokenizeOptions,
  VocabularyToken,
} from "../contract/embedding.ts";
import type { ShimmyError } from "../contract/errors.ts";
import { KEEP_FOREVER } from "../contract/keep-alive.ts";
import { isFields, UpstreamFailure } from "./failure.ts";
import type { Dialect } from "./listing.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface RemoteCall {
  readonly path: string;
  readonly fields: Fields;
  /** True: a GET, without fields. */
  readonly isRead?: boolean;
}

/** One question to any upstream that has the model. */
export interface RemoteQuestion<Answer> {
  /** As the end of "which cannot be asked for …", should no upstream have the route. */
  readonly what: string;
  /** @throws upstream_unsupported by `refuse` */
  call(dialect: Dialect, refuse: (what: string) => ShimmyError): RemoteCall;
  /** @throws UpstreamFailure for what is no answer */
  read(answer: Fields, dialect: Dialect): Answer;
  /** Characters of the longest honest answer. */
  readonly longest: number;
}

/** A vector of 16384 numbers, spelled out, is 0.2 MB. */
const LONGEST_VECTOR = 256 * 1024;
const LONGEST_REST = 1024 * 1024;
/** A score, its document not among it, or a token with its piece. */
const LONGEST_ITEM = 1024;

export function embeddings(request: EmbeddingRequest): RemoteQuestion<EmbeddingResult> {
  const { inputs, pooling } = request;
  return {
    what: "vectors",
    longest: LONGEST_REST + inputs.length * LONGEST_VECTOR,
    call: (dialect, refuse) => {
      if (pooling && dialect !== "shimmy") throw refuse("a pooling of one's own");
      const input = inputs.map((each) => ("text" in each ? each.text : each.tokens));
      // Half as long as numbers that are spelled out, and none of them is rounded.
      const fields = { input, encoding_format: "base64", ...(pooling && { pooling }), ...limits(request, dialect, refuse) };
      return { path: "/v1/embeddings", fields };
    },
    read: ({ data, usage }) => {
      const vectors: Float32Array[] = [];
      for (const { index, entry } of indexed(data, inputs.length)) vectors[index] = vectorOf(entry.embedding);
      const width = vectors[0]?.length;
      if (vectors.some(({ length }) => length !== width)) throw garbage();
      return { vectors, tokens: [promptTokens(usage)] };
    },
  };
}

export function scores(request: ScoreRequest): RemoteQuestion<ScoreResult> {
  const { pairs } = request;
  const documents = pairs.map(({ document }) => document);
  const queries = new Set(pairs.map(({ query }) => query));
  const [query] = queries;
  return {
    what: "scores",
    longest: LONGEST_REST + documents.reduce((sum, { length }) => sum + 6 * length + LONGEST_ITEM, 0),
    call: (dialect, refuse) => {
      const more = limits(request, dialect, refuse);
      if (queries.size === 1) return { path: "/v1/rerank", fields: { query, documents, ...more } };
      if (dialect !== "shimmy" && dialect !== "vllm") throw refuse("the scores of several queries at once");
      return { path: "/v1/score", fields: { text_1: pairs.map((pair) => pair.query), text_2: documents, ...more } };
    },
    read: ({ results, data, scoring, usage }) => {
      const scores: number[] = [];
      for (const { index, entry } of indexed(results ?? data, pairs.length)) {
        const score = entry.relevance_score ?? entry.score;
        if (typeof score !== "number") throw garbage();
        scores[index] = score;
      }
      return { scores, kind: scoring === "cosine" ? "cosine" : "reranker", tokens: [promptTokens(usage)] };
    },
  };
}

export function tokens(text: string, { addSpecial, parseSpecial, pieces = true }: TokenizeOptions): RemoteQuestion<VocabularyToken[]> {
  return {
    what: "its tokens",
    longest: LONGEST_REST + text.length * LONGEST_ITEM,
    call: (dialect, refuse) => {
      if (dialect === "other") throw refuse("its tokens");
      if (dialect !== "vllm")
        return { path: "/tokenize", fields: { content: text, add_special: addSpecial, parse_special: parseSpecial, with_pieces: pieces } };
      if (!parseSpecial) throw refuse("the tokens of a text in which control tokens are text");
      // Its `token_strs` are the vocabulary's own spelling ("Ġworld"), not bytes.
      if (pieces) throw refuse("the pieces of its tokens");
      return { path: "/tokenize", fields: { prompt: text, add_special_tokens: addSpecial } };
    },
    read: ({ tokens: list }) => {
      if (!Array.isArray(list)) throw garbage();
      return list.map((token) =>
        isFields(token) ? { id: idOf(token.id), bytes: bytesOf(token.piece) } : { id: idOf(token), bytes: NONE },
      );
    },
  };
}

export function textOfTokens(ids: readonly number[]): RemoteQuestion<string> {
  return {
    what: "the text of tokens",
    longest: LONGEST_REST + ids.length * LONGEST_ITEM,
    call: (dialect, refuse) => {
      if (dialect === "other") throw refuse("the text of tokens");
      return { path: "/detokenize", fields: { tokens: ids } };
    },
    read: ({ content, prompt }) => textIn(content ?? prompt),
  };
}

/** @param fields a chat's, as a server of this dialect is asked */
export function promptText(fields: (dialect: Dialect) => Fields): RemoteQuestion<string> {
  return {
    what: "the text of a prompt",
    longest: 16 * LONGEST_REST,
    call: (dialect, refuse) => {
      if (dialect !== "shimmy" && dialect !== "llama-server") throw refuse("the text of a prompt");
      return { path: "/apply-template", fields: fields(dialect) };
    },
    read: ({ prompt }) => textIn(prompt),
  };
}

type Limits = Pick<EmbeddingRequest, "truncate" | "truncateTo" | "keepAliveMs">;

function limits({ truncate, truncateTo, keepAliveMs }: Limits, dialect: Dialect, refuse: (what: string) => ShimmyError): Fields {
  if ((truncate || truncateTo !== undefined) && dialect !== "shimmy" && dialect !== "vllm") throw refuse("texts that it cuts");
  return {
    ...((truncate || truncateTo !== undefined) && { truncate_prompt_tokens: truncateTo ?? -1 }),
    ...(dialect === "shimmy" && keepAliveMs !== undefined && { keep_alive: keepAliveMs === KEEP_FOREVER ? -1 : `${keepAliveMs}ms` }),
  };
}

/** Each index once. @throws UpstreamFailure */
function indexed(list: unknown, length: number): ReadonlyArray<{ readonly index: number; readonly entry: Fields }> {
  if (!Array.isArray(list) || list.length !== length) throw garbage();
  const seen = new Set<number>();
  return list.map((entry: unknown) => {
    const index = isFields(entry) ? entry.index : undefined;
    if (!isFields(entry) || typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= length || seen.has(index))
      throw garbage();
    seen.add(index);
    return { index, entry };
  });
}

/** Little-endian 32-bit floats in base64, or a list of numbers where the server does not know that. */
function vectorOf(value: unknown): Float32Array {
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "number")) return Float32Array.from(value);
  if (typeof value !== "string") throw garbage();
  const bytes = Buffer.from(value, "base64");
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw garbage();
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
}

function promptTokens(usage: unknown): number {
  const { prompt_tokens, total_tokens } = isFields(usage) ? usage : {};
  const count = prompt_tokens ?? total_tokens;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 0 ? count : 0;
}

function idOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw garbage();
  return value;
}

const NONE = new Uint8Array();

/** A text, or the bytes of what is none. */
function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === "string") return Buffer.from(piece);
  return Array.isArray(piece) ? Uint8Array.from(piece.filter((byte) => Number.isInteger(byte))) : NONE;
}

function textIn(value: unknown): string {
  if (typeof value !== "string") throw garbage();
  return value;
}

function garbage(): UpstreamFailure {
  return new UpstreamFailure("unwell", "its answer cannot be read");
}
