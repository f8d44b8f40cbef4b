/** The whole answer of POST /v1/chat/completions as /openapi.json shows it. Tests hold the encoder to it; nothing is checked by it at run time. */
import * as z from "zod/mini";

const count = z.number();

const alternative = { token: z.string(), logprob: z.number(), bytes: z.array(z.number()) };
const logprobs = z.object({
  content: z.array(z.object({ ...alternative, top_logprobs: z.array(z.object(alternative)) })),
  refusal: z.null(),
});

const called = z.object({ name: z.string(), arguments: z.string() });
const message = z.object({
  role: z.literal("assistant"),
  content: z.nullable(z.string()),
  refusal: z.null(),
  reasoning_content: z.optional(z.string()),
  reasoning: z.optional(z.string()),
  tool_calls: z.optional(z.array(z.object({ id: z.string(), type: z.literal("function"), function: called }))),
  function_call: z.optional(called),
});

export const chatAnswer = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: count,
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(
    z.object({
      index: count,
      message,
      logprobs: z.nullable(logprobs),
      finish_reason: z.enum(["stop", "length", "tool_calls", "function_call"]),
    }),
  ),
  usage: z.object({
    prompt_tokens: count,
    completion_tokens: count,
    total_tokens: count,
    prompt_tokens_details: z.object({ cached_tokens: count }),
    completion_tokens_details: z.optional(z.object({ reasoning_tokens: count })),
  }),
  timings: z.object({
    cache_n: count,
    prompt_n: count,
    prompt_ms: count,
    prompt_per_second: count,
    predicted_n: count,
    predicted_ms: count,
    predicted_per_second: count,
  }),
});
