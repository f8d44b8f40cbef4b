/** The whole answer of POST /v1/completions as /openapi.json shows it. Tests hold the encoder to it; nothing is checked by it at run time. */
import * as z from "zod/mini";
import { chatAnswer } from "../chat/answer-schema.ts";

/** The first token of an echoed prompt has nothing before it, hence the nulls. */
const logprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.nullable(z.number())),
  top_logprobs: z.array(z.nullable(z.record(z.string(), z.number()))),
  text_offset: z.array(z.number()),
});

const { id, created, model, system_fingerprint, usage, timings } = chatAnswer.shape;

export const completionAnswer = z.object({
  ...{ id, created, model, system_fingerprint, usage, timings },
  object: z.literal("text_completion"),
  choices: z.array(
    z.object({ index: z.number(), text: z.string(), logprobs: z.nullable(logprobs), finish_reason: z.enum(["stop", "length"]) }),
  ),
});
