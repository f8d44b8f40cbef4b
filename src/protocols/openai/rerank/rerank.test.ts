import { describe, expect, test } from "vitest";
import { CONTEXT, MODEL, refusal } from "../test-support.ts";
import { rerankAnswer, scoreAnswer } from "../vectors-answer.ts";
import { decodeRerank, decodeScore } from "./decode.ts";
import { encodeRerank, encodeScore } from "./encode.ts";

const rerank = (fields: object = {}) =>
  decodeRerank({ model: "tiny", query: "q", documents: ["a", { text: "b" }, "c"], ...fields }, CONTEXT);
const score = (fields: object) => decodeScore({ model: "tiny", ...fields }, CONTEXT);
const result = (scores: number[]) => ({ scores, kind: "reranker" as const, tokens: scores.map(() => 2) });

describe("T74 rerank", () => {
  test("documents are texts or objects with one, each paired with the query", () => {
    expect(rerank().request.pairs).toEqual(["a", "b", "c"].map((document) => ({ query: "q", document })));
    expect(rerank()).toMatchObject({ top: 3, returnDocuments: false, shape: "jina" });
  });

  test("best first, no more than top_n, equals in the order they came, what is no number last", () => {
    const { results } = encodeRerank(rerank({ documents: ["a", "b", "c", "d"], top_n: 3 }), MODEL, result([1, Number.NaN, 3, 1])) as {
      results: unknown[];
    };
    expect(results).toEqual([
      { index: 2, relevance_score: 3 },
      { index: 0, relevance_score: 1 },
      { index: 3, relevance_score: 1 },
    ]);
  });

  test("documents are given back on request; `texts` has the answer of text-embeddings-inference", () => {
    expect(encodeRerank(rerank({ return_documents: true, top_n: 1 }), MODEL, result([1, 2, 3]))).toMatchObject({
      results: [{ index: 2, document: { text: "c" } }],
      usage: { total_tokens: 6 },
      meta: { tokens: { input_tokens: 6 } },
    });
    const tei = rerank({ documents: undefined, texts: ["a", "b"], return_text: true });
    expect(encodeRerank(tei, MODEL, result([1, 2]))).toEqual([
      { index: 1, score: 2, text: "b" },
      { index: 0, score: 1, text: "a" },
    ]);
  });

  test.each<[object, string]>([
    [{ query: undefined }, "query"],
    [{ query: "" }, "query"],
    [{ documents: undefined }, "documents"],
    [{ documents: [] }, "documents"],
    [{ documents: ["a", ""] }, "documents[1]"],
    [{ documents: [5] }, "documents[0]"],
    [{ top_n: 0 }, "top_n"],
  ])("%j is a 400", (fields, param) => {
    expect(refusal(() => rerank(fields))).toMatchObject({ code: "invalid_value", param });
  });
});

describe("T74 score", () => {
  test("one with many, and pairs, by both names of the fields", () => {
    expect(score({ text_1: "q", text_2: ["a", "b"] }).request.pairs).toEqual([
      { query: "q", document: "a" },
      { query: "q", document: "b" },
    ]);
    expect(score({ queries: ["p", "q"], documents: ["a", "b"] }).request.pairs[1]).toEqual({ query: "q", document: "b" });
    expect(encodeScore(score({ text_1: "q", text_2: "a" }), MODEL, result([0.5]))).toMatchObject({
      object: "list",
      data: [{ index: 0, object: "score", score: 0.5 }],
      usage: { prompt_tokens: 2, completion_tokens: 0 },
    });
  });

  test.each<[object, string]>([
    [{ text_2: "a" }, "queries"],
    [{ text_1: "q" }, "text_2"],
    [{ text_1: ["p", "q"], text_2: ["a"] }, "text_2"],
    [{ text_1: "q", text_2: ["a", ""] }, "text_2[1]"],
  ])("%j is a 400", (fields, param) => {
    expect(refusal(() => score(fields))).toMatchObject({ code: "invalid_value", param });
  });
});

test("answers are what /openapi.json says", () => {
  const tei = rerank({ documents: undefined, texts: ["a", "b"], return_text: true });
  for (const call of [rerank(), rerank({ return_documents: true }), tei])
    expect(rerankAnswer.safeParse(encodeRerank(call, MODEL, result([1, 2, 3].slice(0, call.documents.length)))).error).toBeUndefined();
  const scored = encodeScore(score({ text_1: "q", text_2: "a" }), MODEL, result([0.5]));
  expect(scoreAnswer.safeParse(scored).error).toBeUndefined();
});
