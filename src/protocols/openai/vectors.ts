/**
 * What the endpoints for vectors and scores share: common fields, and the usage of their answers. Used by embeddings/ and rerank/.
 */
import * as z from "zod/mini";
import type { EmbeddingRequest } from "../../contract/embedding.ts";
import { keepAliveMs } from "../../contract/keep-alive.ts";
import type { DecodeContext } from "../protocol.ts";
import { keepAlive, wholeRange } from "./schema.ts";

/** Texts of one request. OpenAI takes 2048. */
export const MAX_INPUTS = 8192;
/** Pairs of one request. */
export const MAX_PAIRS = 8192;

export const vectorFields = {
  model: z.nullish(z.string()),
  /** Ollama's and TEI's: what is longer than the model reads is cut at its end. Else it is an error. */
  truncate: z.nullish(z.boolean()),
  /** vLLM's: what is longer than so many tokens is cut; −1: than the model reads. */
  truncate_prompt_tokens: wholeRange(-1, 2 ** 31 - 1),
  keep_alive: keepAlive,
  ttl: keepAlive,
  /** vLLM's: larger is later. Before the others is nobody, so what is below 0 counts as 0. */
  priority: wholeRange(-1_000_000, 1_000_000),
  user: z.nullish(z.string()),
};
type VectorFields = z.output<z.ZodMiniObject<typeof vectorFields>>;

/** A missing model is asked for by this name, which no file has, so the pool answers with its default. */
const UNNAMED_MODEL = "default";

export function commonRequest(fields: VectorFields, { requestId }: DecodeContext): Omit<EmbeddingRequest, "inputs" | "pooling"> {
  const keepMs = keepAliveMs(fields.keep_alive ?? fields.ttl);
  const cut = fields.truncate_prompt_tokens;
  const truncate = fields.truncate ?? cut === -1;
  return {
    id: requestId,
    model: fields.model || UNNAMED_MODEL,
    ...(truncate && { truncate }),
    ...(typeof cut === "number" && cut > 0 && { truncateTo: cut }),
    ...(typeof fields.priority === "number" && { priority: Math.max(0, fields.priority) }),
    ...(keepMs !== undefined && { keepAliveMs: keepMs }),
  };
}

export function usageOf(tokens: readonly number[]): { prompt_tokens: number; total_tokens: number } {
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return { prompt_tokens: total, total_tokens: total };
}
