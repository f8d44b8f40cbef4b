/** Answers of the Responses API as /openapi.json shows them. Tests hold the encoders to it; nothing is checked by it at run time. */
import * as z from "zod/mini";
import { pageAnswer } from "../page.ts";

const item = z.looseObject({ type: z.string(), id: z.optional(z.string()) });
const usage = z.object({
  input_tokens: z.number(),
  input_tokens_details: z.object({ cached_tokens: z.number(), cache_write_tokens: z.number() }),
  output_tokens: z.number(),
  output_tokens_details: z.object({ reasoning_tokens: z.number() }),
  total_tokens: z.number(),
});

export const responseAnswer = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.number(),
  completed_at: z.nullable(z.number()),
  status: z.enum(["completed", "incomplete", "failed", "cancelled", "queued", "in_progress"]),
  background: z.boolean(),
  error: z.nullable(z.object({ code: z.string(), message: z.string() })),
  incomplete_details: z.nullable(z.object({ reason: z.string() })),
  model: z.string(),
  output: z.array(item),
  usage: z.nullable(usage),
});

export const compactionAnswer = z.object({
  id: z.string(),
  object: z.literal("response.compaction"),
  created_at: z.number(),
  output: z.array(item),
  usage,
});

export const inputTokensAnswer = z.object({ object: z.literal("response.input_tokens"), input_tokens: z.number() });

export const inputItemsAnswer = pageAnswer(item);

export const deletedAnswer = z.object({ id: z.string(), object: z.literal("response"), deleted: z.boolean() });
