/**
 * Scores → the answers of POST /v1/rerank and /v1/score. Called through the `VectorProtocol`s in ../index.ts. Scores are a reranker's own
 * numbers, as llama-server gives them, or cosines where the model makes vectors only: `scoring` says which.
 */
import type { ScoreResult } from "../../../contract/embedding.ts";
import { nameOf, type ResolvedModel } from "../../../contract/generation.ts";
import { usageOf } from "../vectors.ts";
import type { RerankCall, ScoreCall } from "./decode.ts";

export function encodeRerank(call: RerankCall, model: ResolvedModel, { scores, kind, tokens }: ScoreResult) {
  // The sort is stable: equals keep the order they came in.
  const best = Array.from(scores, (score, index) => ({ index, score }))
    .sort((a, b) => orderOf(b.score) - orderOf(a.score))
    .slice(0, call.top);
  if (call.shape === "tei")
    return best.map(({ index, score }) => ({ index, score, ...(call.returnDocuments && { text: call.documents[index]! }) }));
  const usage = usageOf(tokens);
  return {
    id: call.id,
    object: "list" as const,
    model: nameOf(model),
    scoring: kind,
    results: best.map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(call.returnDocuments && { document: { text: call.documents[index]! } }),
    })),
    usage,
    // Cohere's place for the same.
    meta: { api_version: { version: "2" }, billed_units: { search_units: 1 }, tokens: { input_tokens: usage.prompt_tokens } },
  };
}

export function encodeScore({ id, created }: ScoreCall, model: ResolvedModel, { scores, kind, tokens }: ScoreResult) {
  return {
    id,
    object: "list" as const,
    created,
    model: nameOf(model),
    scoring: kind,
    data: scores.map((score, index) => ({ index, object: "score" as const, score })),
    usage: { ...usageOf(tokens), completion_tokens: 0, prompt_tokens_details: null },
  };
}

/** What is no number comes last: comparing it would leave the order to chance. */
function orderOf(score: number): number {
  return Number.isNaN(score) ? -Number.MAX_VALUE : score;
}
