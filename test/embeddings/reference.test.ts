/**
 * Vectors and scores against those of llama.cpp's llama-server (Debian forky, ggml 0.27), saved beside this file. They were made with
 * `reference-server.sh serve PORT 1 512 MODEL --embeddings -b 512 -ub 512` (and `--reranking`) from the files that minilm.ts writes:
 * /v1/embeddings of all texts as 16-bit fractions of 1, and /v1/rerank of the first 47 with the query below.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MINILM, NO_SHARED, post, startServer, type TestServer } from "../support/server.ts";
import { writeFloatMinilm, writeReranker } from "./minilm.ts";
import { TEXTS } from "./texts.ts";
import { wire } from "./wire.ts";

const WIDTH = 384;
const saved = readFileSync(join(import.meta.dirname, "minilm-vectors.bin"));
const reference = new Int16Array(saved.buffer, saved.byteOffset, saved.length / 2);
const ranked = JSON.parse(readFileSync(join(import.meta.dirname, "rerank-scores.json"), "utf8")) as { tokens: number; scores: number[] };
const QUERY = "How do I reset my password?";

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, as, bs] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    as += a[i]! ** 2;
    bs += b[i]! ** 2;
  }
  return product / Math.sqrt(as * bs);
}

describe.skipIf(NO_SHARED)(`against llama-server${NO_SHARED ? ` (skipped: ${NO_SHARED})` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "shimmy-embed-"));
  let server: TestServer;
  beforeAll(async () => {
    await writeFloatMinilm(MINILM, join(folder, "float.gguf"));
    await writeReranker(MINILM, join(folder, "ranker.gguf"));
    server = await startServer({ args: ["--model-dirs", folder, "--model-path", MINILM] });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function vectors(model: string, input: unknown, more: object = {}): Promise<number[][]> {
    const answer = await wire(await post(server, "/v1/embeddings", { model, input, ...more }));
    expect(answer.error).toBeUndefined();
    return answer.data.map(({ embedding }) => embedding);
  }

  test("fifty texts, all at once: cosine above 0.9999, each of length 1", async () => {
    for (const [index, vector] of (await vectors("float", TEXTS)).entries()) {
      expect(cosine(vector, reference.subarray(index * WIDTH, (index + 1) * WIDTH)), TEXTS[index]).toBeGreaterThan(0.9999);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    }
  });

  test("a text has the same vector alone and among others, of quantised weights too", async () => {
    const some = TEXTS.slice(0, 46);
    const together = await vectors("all-minilm-l6-v2-q8-0", some);
    for (const index of [0, 5, 30, 45]) {
      const [alone] = await vectors("all-minilm-l6-v2-q8-0", some[index]);
      expect(cosine(together[index]!, alone!), some[index]).toBeGreaterThan(0.999999);
    }
  });

  test("pooling by CLS is another vector, and that of the first token", async () => {
    const [[mean], [cls]] = await Promise.all([vectors("float", "hello world"), vectors("float", "hello world", { pooling: "cls" })]);
    expect(cosine(mean!, cls!)).toBeLessThan(0.999);
  });

  test("T74 a reranker scores pairs as llama-server does", async () => {
    const body = { model: "ranker", query: QUERY, documents: TEXTS.slice(0, ranked.scores.length) };
    const answer = await wire(await post(server, "/v1/rerank", body));
    expect(answer).toMatchObject({ object: "list", scoring: "reranker", usage: { prompt_tokens: ranked.tokens } });
    const scores: number[] = [];
    for (const { index, relevance_score } of answer.results) scores[index] = relevance_score;
    // Attention there rounds to 16 bits (flash attention); the head multiplies that.
    for (const [index, score] of scores.entries()) expect(Math.abs(score - ranked.scores[index]!), TEXTS[index]).toBeLessThan(0.002);
  });

  test("a reranker makes no vectors, and says so", async () => {
    const response = await post(server, "/v1/embeddings", { model: "ranker", input: "x" });
    expect(response.status).toBe(400);
    expect((await wire(response)).error?.code).toBe("model_makes_no_vectors");
  });
});
