/** OpenAI's Responses API: three endpoints, and what a server with a memory needs around them. Called by server/responses/. */
import type { Protocol } from "../../protocol.ts";
import { encodeError } from "../errors.ts";
import { compactionAnswer, inputTokensAnswer, responseAnswer } from "./answer-schema.ts";
import { decodeCompaction, decodeInputTokens, decodeResponse, type ResponseCall, type ResponseContext } from "./decode.ts";
import { encodeCompaction, encodeErrorEvent, encodeInputTokens, encodeStreamResponse, encodeWholeResponse } from "./encode.ts";
import { compactSchema, inputTokensSchema, responseSchema } from "./schema.ts";

export type { ResponseAnswer } from "./answer.ts";
export { deletedAnswer, inputItemsAnswer, responseAnswer } from "./answer-schema.ts";
export type { Earlier, ResponseCall } from "./decode.ts";
export { encodeStreamResponse, encodeWholeResponse, failedFrames, type Watch } from "./encode.ts";
export { referencesOf, responseOfItem } from "./references.ts";
export { replayFrames } from "./replay.ts";
export type { WireResponse } from "./wire.ts";

/** A dialect that may be told of earlier responses. */
export interface ResponseProtocol extends Protocol<ResponseCall> {
  decode(body: unknown, context: ResponseContext): ResponseCall;
}

const EXAMPLE = { model: "shimmy-tiny", input: "Hello" };

/** POST /v1/responses. */
export const responses: ResponseProtocol = {
  doc: {
    summary: "An answer of the Responses API, whole, streamed or in the background; kept unless store is false",
    tag: "OpenAI",
    body: responseSchema,
    example: { ...EXAMPLE, max_output_tokens: 16 },
    answer: responseAnswer,
    alsoAnswers: "text/event-stream",
  },
  decode: decodeResponse,
  encodeWhole: encodeWholeResponse,
  encodeStream: encodeStreamResponse,
  encodeError,
  encodeStreamError: encodeErrorEvent,
};

/** POST /v1/responses/compact: never streamed. */
export const compactions: ResponseProtocol = {
  ...responses,
  doc: {
    summary: "A conversation as one item, which holds the model's own summary of it",
    tag: "OpenAI",
    body: compactSchema,
    example: EXAMPLE,
    answer: compactionAnswer,
  },
  decode: decodeCompaction,
  encodeWhole: encodeCompaction,
};

/** POST /v1/responses/input_tokens: never streamed. */
export const inputTokens: ResponseProtocol = {
  ...responses,
  doc: { summary: "How many tokens an input has", tag: "OpenAI", body: inputTokensSchema, example: EXAMPLE, answer: inputTokensAnswer },
  decode: decodeInputTokens,
  encodeWhole: encodeInputTokens,
};
