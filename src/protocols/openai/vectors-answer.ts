/** The answers of the endpoints for vectors and scores as /openapi.json shows them. Tests hold the encoders to them; nothing is checked by them at run time. */
import * as z from "zod/mini";

const usage = z.object({ prompt_tokens: z.number(), total_tokens: z.number() });
/** What a score is: a reranker's own number, or the cosine of two vectors. */
const scoring = z.enum(["reranker", "cosine"]);
const document = z.optional(z.object({ text: z.string() }));

export const embeddingsAnswer = z.object({
  object: z.literal("list"),
  data: z.array(z.object({ object: z.literal("embedding"), index: z.number(), embedding: z.union([z.array(z.number()), z.string()]) })),
  model: z.string(),
  usage,
});

const reranked = z.object({
  id: z.string(),
  object: z.literal("list"),
  model: z.string(),
  scoring,
  results: z.array(z.object({ index: z.number(), relevance_score: z.number(), document })),
  usage,
  meta: z.object({
    api_version: z.object({ version: z.string() }),
    billed_units: z.object({ search_units: z.number() }),
    tokens: z.object({ input_tokens: z.number() }),
  }),
});

/** The list is for requests with `texts`. */
export const rerankAnswer = z.union([reranked, z.array(z.object({ index: z.number(), score: z.number(), text: z.optional(z.string()) }))]);

export const scoreAnswer = z.object({
  id: z.string(),
  object: z.literal("list"),
  created: z.number(),
  model: z.string(),
  scoring,
  data: z.array(z.object({ index: z.number(), object: z.literal("score"), score: z.number() })),
  usage: z.object({ ...usage.shape, completion_tokens: z.number(), prompt_tokens_details: z.null() }),
});
