/** The answers of POST /completion and /infill as /openapi.json shows them. Tests hold the encoder to it; nothing is checked by it at run time. */
import * as z from "zod/mini";
import { chatAnswer } from "../openai/chat/answer-schema.ts";

const entry = { id: z.number(), token: z.string(), bytes: z.array(z.number()), logprob: z.number() };

/** Every field is optional: `response_fields` chooses, and may name parts of them. */
const answer = z.looseObject({
  index: z.optional(z.number()),
  content: z.optional(z.string()),
  tokens: z.optional(z.array(z.number())),
  id_slot: z.optional(z.number()),
  stop: z.optional(z.boolean()),
  model: z.optional(z.string()),
  tokens_predicted: z.optional(z.number()),
  tokens_evaluated: z.optional(z.number()),
  generation_settings: z.optional(z.looseObject({})),
  prompt: z.optional(z.string()),
  has_new_line: z.optional(z.boolean()),
  truncated: z.optional(z.boolean()),
  stop_type: z.optional(z.enum(["eos", "limit", "word"])),
  stopping_word: z.optional(z.string()),
  tokens_cached: z.optional(z.number()),
  timings: z.optional(chatAnswer.shape.timings),
  completion_probabilities: z.optional(z.array(z.object({ ...entry, top_logprobs: z.array(z.object(entry)) }))),
});

/** Several prompts or answers come as an array. */
export const nativeAnswer = z.union([answer, z.array(answer)]);
