/**
 * The bodies of POST /v1/rerank (Jina's and Cohere's API, and that of Hugging Face's text-embeddings-inference, `texts`) and of
 * POST /v1/score (vLLM) → calls. Called by the server with parsed JSON.
 */
import * as z from "zod/mini";
import type { ScoreRequest } from "../../../contract/embedding.ts";
import type { DecodeContext, VectorCall } from "../../protocol.ts";
import { wholeRange } from "../schema.ts";
import { boundedArray, invalid, validate } from "../validate.ts";
import { commonRequest, MAX_PAIRS, vectorFields } from "../vectors.ts";

export interface RerankCall extends VectorCall {
  readonly request: ScoreRequest;
  readonly id: string;
  readonly documents: readonly string[];
  /** Most results. */
  readonly top: number;
  readonly returnDocuments: boolean;
  /** "tei": the answer is a bare list. */
  readonly shape: "jina" | "tei";
}

export interface ScoreCall extends VectorCall {
  readonly request: ScoreRequest;
  readonly id: string;
  readonly created: number;
}

const text = z.union([z.string(), z.object({ text: z.string() })], { error: 'must be a string or {"text": …}' });
const documents = boundedArray(text, MAX_PAIRS);

export const rerankSchema = z.object({
  ...vectorFields,
  query: text,
  documents: z.nullish(documents),
  texts: z.nullish(documents),
  top_n: wholeRange(1),
  return_documents: z.nullish(z.boolean()),
  return_text: z.nullish(z.boolean()),
});

const oneOrMore = z.union([z.string(), boundedArray(z.string(), MAX_PAIRS)], { error: "must be a string or an array of strings" });

export const scoreSchema = z.object({
  ...vectorFields,
  text_1: z.nullish(oneOrMore),
  text_2: z.nullish(oneOrMore),
  queries: z.nullish(oneOrMore),
  documents: z.nullish(oneOrMore),
});

export function decodeRerank(body: unknown, context: DecodeContext): RerankCall {
  const fields = validate(rerankSchema, body);
  const [given, name] = fields.documents ? [fields.documents, "documents"] : [fields.texts, "texts"];
  if (!given) throw invalid("documents", "it is required");
  const query = filled(textOf(fields.query), "query");
  const documents = given.map((document, index) => filled(textOf(document), `${name}[${index}]`));
  if (documents.length === 0) throw invalid(name, "must not be empty");
  return {
    request: { ...commonRequest(fields, context), pairs: documents.map((document) => ({ query, document })) },
    id: `rerank-${context.requestId}`,
    documents,
    top: Math.min(fields.top_n ?? documents.length, documents.length),
    returnDocuments: fields.return_documents ?? fields.return_text ?? false,
    shape: fields.documents ? "jina" : "tei",
  };
}

/** One with each of many, or many with many, one by one. */
export function decodeScore(body: unknown, context: DecodeContext): ScoreCall {
  const fields = validate(scoreSchema, body);
  const names = fields.text_1 == null ? (["queries", "documents"] as const) : (["text_1", "text_2"] as const);
  const [firsts, seconds] = names.map((name) => textsOf(fields[name], name));
  if (firsts!.length !== 1 && firsts!.length !== seconds!.length)
    throw invalid(names[1], `must have as many texts as ${names[0]} (${firsts!.length}), or ${names[0]} must be one text`);
  const pairs = seconds!.map((document, index) => ({ query: firsts!.length === 1 ? firsts![0]! : firsts![index]!, document }));
  return {
    request: { ...commonRequest(fields, context), pairs },
    id: `score-${context.requestId}`,
    created: Math.floor(context.now / 1000),
  };
}

function textsOf(value: string | readonly string[] | null | undefined, name: string): readonly string[] {
  if (value === null || value === undefined) throw invalid(name, "it is required");
  if (typeof value === "string") return [filled(value, name)];
  if (value.length === 0) throw invalid(name, "must not be empty");
  return value.map((item, index) => filled(item, `${name}[${index}]`));
}

function textOf(value: string | { readonly text: string }): string {
  return typeof value === "string" ? value : value.text;
}

function filled(value: string, at: string): string {
  if (value === "") throw invalid(at, "must not be an empty string");
  return value;
}
