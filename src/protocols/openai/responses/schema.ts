/**
 * The bodies of the Responses API as they are checked: POST /v1/responses, /v1/responses/input_tokens and /v1/responses/compact.
 * Source: openai 6, resources/responses. Items and tools are looked at one by one where they are decoded (input.ts, tools.ts), for most of
 * their types are skipped. Used by decode.ts; `null` is absent, unknown fields are ignored.
 */
import type { ResponseCreateParams } from "openai/resources/responses/responses";
import * as z from "zod/mini";
import { reasoningFields, reasoningShape } from "../chat/schema.ts";
import { commonFields, metadata, wholeRange } from "../schema.ts";
import { boundedArray } from "../validate.ts";

/** There are nine. */
const MAX_INCLUDES = 64;

const text = z.nullish(z.object({ format: z.nullish(z.looseObject({ type: z.string() })), verbosity: z.nullish(z.string()) }));
/** As in chats, and how the thoughts are to be told. */
const reasoning = z.nullish(z.looseObject({ ...reasoningShape, summary: z.nullish(z.string()), generate_summary: z.nullish(z.string()) }));
const toolChoice = z.nullish(z.union([z.string(), z.looseObject({ type: z.string() })], { error: "must be a string or an object" }));

/** What is said to the model, by all three. */
const promptFields = {
  input: z.nullish(
    z
      .union([z.string(), z.array(z.unknown())], { error: "must be a string or an array of items" })
      .check(
        z.describe(
          "A text, or items: message, reasoning, function_call, function_call_output, custom_tool_call, custom_tool_call_output, compaction, compaction_trigger, item_reference. Others are skipped.",
        ),
      ),
  ),
  instructions: z.nullish(z.string()),
  previous_response_id: z.nullish(z.string()),
  conversation: z.nullish(z.unknown().check(z.describe("Refused: conversations are not kept here."))),
  prompt: z.nullish(z.unknown().check(z.describe("Refused: templates of prompts are kept by OpenAI only."))),
  tools: z.nullish(
    z.array(z.unknown()).check(z.describe("Tools of the types function, custom and namespace. Those that OpenAI runs itself are skipped.")),
  ),
  tool_choice: toolChoice,
  parallel_tool_calls: z.nullish(z.boolean()),
  text,
  ...reasoningFields,
  reasoning,
  chat_template_kwargs: z.nullish(z.record(z.string(), z.unknown())),
  truncation: z.nullish(z.string()),
  prompt_cache_key: z.nullish(z.string()),
};

export const responseSchema = z.object({
  ...commonFields,
  ...promptFields,
  background: z.nullish(z.boolean()),
  include: z.nullish(boundedArray(z.string(), MAX_INCLUDES)),
  max_tool_calls: wholeRange(0),
  metadata,
  safety_identifier: z.nullish(z.string()),
  service_tier: z.nullish(z.string()),
  store: z.nullish(z.boolean()),
  top_logprobs: wholeRange(0, 20),
});
export type ResponseFields = z.output<typeof responseSchema>;

/** Both take any field of a request: what does not concern them is ignored. */
export const inputTokensSchema = z.object({ model: commonFields.model, ...promptFields });
export const compactSchema = z.object({ model: commonFields.model, ...promptFields });

/**
 * Everything OpenAI's own client may send is accepted; a field this type cannot hold is a compile error here. Left out: its `stream_options`
 * ask for padding of events only, and the others are interfaces, which TypeScript never takes for an object of unknown fields.
 */
type Accepted<Body extends z.input<typeof responseSchema>> = Body;
export type ResponseBody = Accepted<Omit<ResponseCreateParams, "stream_options" | "tool_choice" | "text" | "reasoning">>;
