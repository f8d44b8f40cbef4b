/** The OpenAI dialect: endpoints that generate, those for vectors and scores, and the list of models. The server loads this room on the first request. */
import type { EmbeddingResult, ScoreResult } from "../../contract/embedding.ts";
import type { Protocol, VectorProtocol } from "../protocol.ts";
import { chatAnswer } from "./chat/answer-schema.ts";
import { type ChatCall, chatSchema, decodeChat } from "./chat/decode.ts";
import { encodeStreamChat, encodeWholeChat } from "./chat/encode.ts";
import { completionAnswer } from "./completions/answer-schema.ts";
import { type CompletionCall, completionSchema, decodeCompletion } from "./completions/decode.ts";
import { encodeStreamCompletion, encodeWholeCompletion } from "./completions/encode.ts";
import { decodeEmbedding, type EmbeddingCall, embeddingSchema } from "./embeddings/decode.ts";
import { encodeEmbeddings } from "./embeddings/encode.ts";
import { encodeError, encodeStreamError } from "./errors.ts";
import { decodeRerank, decodeScore, type RerankCall, rerankSchema, type ScoreCall, scoreSchema } from "./rerank/decode.ts";
import { encodeRerank, encodeScore } from "./rerank/encode.ts";
import { embeddingsAnswer, rerankAnswer, scoreAnswer } from "./vectors-answer.ts";

export { encodeError, encodeStreamError } from "./errors.ts";
export { encodeModel, encodeModels, type WireModel } from "./models.ts";
export type { ChatCall, CompletionCall };

/** POST /v1/chat/completions */
export const chatCompletions: Protocol<ChatCall> = {
  doc: {
    summary: "The next message of a conversation, whole or streamed",
    tag: "OpenAI",
    body: chatSchema,
    example: { model: "shimmy-tiny", messages: [{ role: "user", content: "Hello" }], max_tokens: 16 },
    answer: chatAnswer,
    alsoAnswers: "text/event-stream",
  },
  decode: decodeChat,
  encodeWhole: encodeWholeChat,
  encodeStream: encodeStreamChat,
  encodeError,
  encodeStreamError,
};

/** POST /v1/completions */
export const completions: Protocol<CompletionCall> = {
  doc: {
    summary: "What follows a text, whole or streamed; or, with a suffix, what stands between the two",
    tag: "OpenAI",
    body: completionSchema,
    example: { model: "shimmy-tiny", prompt: "Once upon a time", max_tokens: 16 },
    answer: completionAnswer,
    alsoAnswers: "text/event-stream",
  },
  decode: decodeCompletion,
  encodeWhole: encodeWholeCompletion,
  encodeStream: encodeStreamCompletion,
  encodeError,
  encodeStreamError,
};

/** POST /v1/embeddings */
export const embeddings: VectorProtocol<EmbeddingCall, EmbeddingResult> = {
  doc: {
    summary: "Vectors of texts",
    tag: "OpenAI",
    body: embeddingSchema,
    example: { model: "shimmy-tiny", input: ["Once upon a time", "The end"] },
    answer: embeddingsAnswer,
  },
  wants: "vectors",
  decode: decodeEmbedding,
  ask: (embedder, model, { request }, signal) => embedder.embed(model, request, signal),
  encode: encodeEmbeddings,
  encodeError,
};

/** POST /v1/rerank */
export const rerank: VectorProtocol<RerankCall, ScoreResult> = {
  doc: {
    summary: "Documents by how well they fit a query, best first",
    tag: "Reranking",
    body: rerankSchema,
    example: { model: "shimmy-tiny", query: "cats", documents: ["Cats purr.", "Stocks fell."], top_n: 1 },
    answer: rerankAnswer,
  },
  wants: "scores",
  decode: decodeRerank,
  ask: (embedder, model, { request }, signal) => embedder.score(model, request, signal),
  encode: encodeRerank,
  encodeError,
};

/** POST /v1/score */
export const scores: VectorProtocol<ScoreCall, ScoreResult> = {
  doc: {
    summary: "How well texts fit each other, one score a pair",
    tag: "Reranking",
    body: scoreSchema,
    example: { model: "shimmy-tiny", text_1: "cats", text_2: ["Cats purr.", "Stocks fell."] },
    answer: scoreAnswer,
  },
  wants: "scores",
  decode: decodeScore,
  ask: (embedder, model, { request }, signal) => embedder.score(model, request, signal),
  encode: encodeScore,
  encodeError,
};
