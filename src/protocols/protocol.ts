/**
 * What a dialect is to the server: one request in, one answer out, whole or streamed, and an error in the dialect's dress.
 * Pure: nothing here reads a clock, a file or a socket; what varies comes in the context.
 */
import type { Embedder, EmbeddingRequest, EmbeddingResult, ScoreRequest, ScoreResult } from "../contract/embedding.ts";
import type { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest, ResolvedModel, Wanted } from "../contract/generation.ts";
import type { EndpointDoc } from "./document.ts";

export interface DecodeContext {
  /** Names the request everywhere; on the wire it gets the dialect's prefix. */
  readonly requestId: string;
  /** Milliseconds since the epoch; told as the time of creation. */
  readonly now: number;
  readonly defaults: {
    /** Used when the caller gives no limit. */
    readonly maxTokens?: number;
  };
}

/** A decoded call: what the generator needs, and what the encoder of the same dialect must remember. */
export interface ProtocolCall {
  readonly request: GenerationRequest;
  /**
   * A call with several prompts: its requests, `request` the first of them, alike but for id and prompt. Their events come as one sequence,
   * with a `started` for each request; the choices of request k are numbered from k × `choices` on.
   */
  readonly batch?: readonly GenerationRequest[];
  readonly stream: boolean;
  /** What of the request was left out, for people: it goes into a header and the log. */
  readonly warnings?: readonly string[];
}

export interface EncodedError {
  readonly status: number;
  /** A JSON value. */
  readonly body: unknown;
}

/** One per endpoint of a dialect. */
export interface Protocol<Call extends ProtocolCall = ProtocolCall> {
  /** For /openapi.json. */
  readonly doc?: EndpointDoc;
  /** A promise where something that was kept has to be looked up first. @throws invalid_value naming the field at fault. */
  decode(body: unknown, context: DecodeContext): Call | Promise<Call>;
  /** The whole answer as a JSON value. @throws whatever `events` throws. */
  encodeWhole(call: Call, model: ResolvedModel, events: AsyncIterable<GenerationEvent>): Promise<unknown>;
  /** Whole server-sent-event frames, the dialect's end mark included. @throws whatever `events` throws. */
  encodeStream(call: Call, model: ResolvedModel, events: AsyncIterable<GenerationEvent>): AsyncIterable<string>;
  /** An error before the headers were sent. */
  encodeError(error: ShimmyError, requestId: string): EncodedError;
  /** The last frame of a stream that failed; nothing may follow it. */
  encodeStreamError(error: ShimmyError, requestId: string): string;
}

/** A decoded call of an endpoint that makes vectors or scores. */
export interface VectorCall {
  readonly request: EmbeddingRequest | ScoreRequest;
}

/** One per endpoint that answers at once: vectors, scores. There is no stream. */
export interface VectorProtocol<Call extends VectorCall = VectorCall, Result extends VectorResult = VectorResult> {
  /** For /openapi.json. */
  readonly doc?: EndpointDoc;
  /** Which model answers for a name that none has. */
  readonly wants: Exclude<Wanted, "text">;
  /** @throws invalid_value naming the field at fault. */
  decode(body: unknown, context: DecodeContext): Call;
  ask(embedder: Embedder, model: ResolvedModel, call: Call, signal: AbortSignal): Promise<Result>;
  /** The whole answer as a JSON value. @throws invalid_value for what only the result can tell. */
  encode(call: Call, model: ResolvedModel, result: Result): unknown;
  encodeError(error: ShimmyError, requestId: string): EncodedError;
}

type VectorResult = EmbeddingResult | ScoreResult;
