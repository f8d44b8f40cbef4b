/** Vectors and scores of texts: what protocols ask for and the pool gives. Plain data that survives structured clone. */
import type { ResolvedModel } from "./generation.ts";
import type { TraceLink } from "./tracing.ts";

/** One text, or its tokens. */
export type EmbeddingInput = { readonly text: string } | { readonly tokens: readonly number[] };

/** How the vectors of the tokens become one. */
export type Pooling = "mean" | "cls" | "last";

export interface EmbeddingRequest {
  readonly id: string;
  /** As the caller wrote it. */
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  /** Absent: the file's own, or the last token's for a model that generates. */
  readonly pooling?: Pooling;
  /** True: what is longer than the model reads is cut at its end; else it is an error. */
  readonly truncate?: boolean;
  /** Cut what is longer than so many tokens. */
  readonly truncateTo?: number;
  readonly caller?: string;
  readonly priority?: number;
  readonly keepAliveMs?: number;
  /** As in `GenerationRequest`. */
  readonly trace?: TraceLink;
}

export interface EmbeddingResult {
  /** One for each input, in order, of length 1 (Euclid). */
  readonly vectors: readonly Float32Array[];
  /** Tokens read for each input; or one number for all of them, where another server counted them. */
  readonly tokens: readonly number[];
}

/** Pairs of texts to be judged together. */
export interface ScoreRequest extends Omit<EmbeddingRequest, "inputs" | "pooling"> {
  readonly pairs: ReadonlyArray<{ readonly query: string; readonly document: string }>;
}

export interface ScoreResult {
  /**
   * One for each pair; larger is more relevant. A reranker's own number (`raw`), or the cosine of the two vectors where the model makes
   * vectors only.
   */
  readonly scores: readonly number[];
  readonly kind: "reranker" | "cosine";
  readonly tokens: readonly number[];
}

/** Anything that makes vectors: the local pool, or the upstreams. */
export interface Embedder {
  /** @throws invalid_value for an empty input; context_length_exceeded; client_closed */
  embed(model: ResolvedModel, request: EmbeddingRequest, signal: AbortSignal): Promise<EmbeddingResult>;
  score(model: ResolvedModel, request: ScoreRequest, signal: AbortSignal): Promise<ScoreResult>;
}

/** Texts to tokens and back, by the vocabulary of a model, which is loaded for it. */
export interface Tokenizer {
  tokenize(model: ResolvedModel, text: string, options: TokenizeOptions, signal: AbortSignal): Promise<readonly VocabularyToken[]>;
  /** @throws invalid_value for an id that is not of the vocabulary. */
  detokenize(model: ResolvedModel, tokens: readonly number[], signal: AbortSignal): Promise<string>;
}

export interface TokenizeOptions {
  /** Add what the vocabulary puts around a text (BOS, EOS). */
  readonly addSpecial: boolean;
  /** Control tokens that are spelled in the text become those tokens. */
  readonly parseSpecial: boolean;
  /** False: nobody looks at their bytes, which another server may not know. */
  readonly pieces?: boolean;
}

export interface VocabularyToken {
  readonly id: number;
  /** May be a part of a character. Empty where nobody wanted them and another server answered. */
  readonly bytes: Uint8Array;
}
