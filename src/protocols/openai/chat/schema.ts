/**
 * The body of POST /v1/chat/completions as a schema: what its decoder checks and /openapi.json shows. Fields not named here are ignored,
 * `null` is absent. Source: platform.openai.com/docs/api-reference/chat, and for the others the server whose users send them.
 */
import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import * as z from "zod/mini";
import { commonFields, endFields, wholeRange } from "../schema.ts";
import { boundedArray, list } from "../validate.ts";

const MAX_TOOLS = 512;
const MAX_MODALITIES = 16;

const jsonObject = z.record(z.string(), z.unknown());
const functionName = z
  .string()
  .check(z.regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, underscores, hyphens and dots, without spaces"));

const functionSchema = z.looseObject({
  name: functionName,
  description: z.nullish(z.string()),
  parameters: z.nullish(jsonObject),
  strict: z.nullish(z.boolean()),
});

/** Tools that only OpenAI can run are passed over, so that their clients still work with the rest. */
const foreignType = z.string().check(z.refine((type) => type !== "function", { error: "must be another type", abort: true }));
const foreignTool = z.looseObject({ type: foreignType });
const toolSchema = z.union([z.looseObject({ type: z.nullish(z.literal("function")), function: functionSchema }), foreignTool], {
  error: "must be an object",
});

/** Wrapped, as chat has it, or flat as in Responses. */
const named = { name: z.nullish(z.string()), function: z.nullish(z.object({ name: z.string() })) };
const allowedTools = { mode: z.nullish(z.string()), tools: z.nullish(list(z.object(named), MAX_TOOLS)) };
const choiceSchema = z.object({
  type: z.nullish(z.string()),
  ...named,
  ...allowedTools,
  allowed_tools: z.nullish(z.object(allowedTools)),
});
export type ToolChoiceFields = z.output<typeof choiceSchema>;
const toolChoice = z.union([z.string(), choiceSchema], { error: "must be a string or an object" });

const namedFunction = z.looseObject({ name: z.string() });
const toolCall = z.looseObject({ function: z.nullish(namedFunction) });

/** Which JSON it may be depends on the role: content.ts checks it. */
const content = z
  .union([z.string(), z.array(z.unknown()), z.null(), jsonObject, z.number(), z.boolean()], {
    error: "must be a string, an array of content parts or null",
  })
  .check(
    z.describe("A text, or parts of the types text and file (a file of text); of the role tool any JSON. Images and audio are refused."),
  );

const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.optional(content),
  name: z.nullish(z.string()),
  refusal: z.nullish(z.string()),
  tool_call_id: z.nullish(z.string()),
  tool_calls: z.nullish(list(toolCall)),
  function_call: z.nullish(namedFunction),
  reasoning_content: z.nullish(z.string()),
});
export type MessageFields = z.output<typeof messageSchema>;

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"] as const;
const effort = z.nullish(z.enum(EFFORTS));
/** Tokens; −1 is no limit, 0 no thought. */
const budget = wholeRange(-1);

/** OpenRouter's object, and in Responses OpenAI's. */
export const reasoningShape = { effort, enabled: z.nullish(z.boolean()), exclude: z.nullish(z.boolean()), max_tokens: budget };

/** The switches of many servers; reasoning.ts makes one wish of them. */
export const reasoningFields = {
  reasoning_effort: effort,
  reasoning: z.nullish(z.looseObject(reasoningShape)),
  include_reasoning: z.nullish(z.boolean()),
  /** Ollama's. */
  think: z.nullish(z.union([z.boolean(), z.enum(EFFORTS)], { error: "must be true, false or a level such as 'low'" })),
  /** Qwen's and vLLM's. */
  enable_thinking: z.nullish(z.boolean()),
  thinking_budget: budget,
  /** Anthropic's and DeepSeek's. */
  thinking: z.nullish(
    z.union([z.boolean(), z.looseObject({ type: z.nullish(z.string()), budget_tokens: budget })], {
      error: "must be true, false or an object such as {type: 'disabled'}",
    }),
  ),
  /** llama-server's. */
  reasoning_budget: budget,
  thinking_budget_tokens: budget,
  reasoning_format: z.nullish(z.string()),
};

export const chatSchema = z.object({
  ...commonFields,
  ...endFields,
  messages: list(messageSchema),
  modalities: z.nullish(boundedArray(z.string(), MAX_MODALITIES)),
  logprobs: z.nullish(z.boolean()),
  top_logprobs: wholeRange(0, 20),
  tools: z.nullish(list(toolSchema, MAX_TOOLS)),
  tool_choice: z.nullish(toolChoice),
  parallel_tool_calls: z.nullish(z.boolean()),
  functions: z.nullish(list(functionSchema, MAX_TOOLS)),
  function_call: z.nullish(z.union([z.string(), z.object({ name: z.string() })], { error: "must be a string or an object" })),
  add_generation_prompt: z
    .nullish(z.boolean())
    .check(
      z.describe(
        "llama-server's and vLLM's: false does not open the answer; an answer that is the last message is continued all the same.",
      ),
    ),
  chat_template_kwargs: z.nullish(jsonObject),
  ...reasoningFields,
});
export type ChatFields = z.output<typeof chatSchema>;
/** What of them is about thoughts; the Responses API takes the same switches. */
export type ReasoningFields = Pick<ChatFields, keyof typeof reasoningFields | "chat_template_kwargs">;

/** Everything OpenAI's own client may send is accepted; a field this type cannot hold is a compile error here. */
type Accepted<Body extends z.input<typeof chatSchema>> = Body;
export type ChatBody = Accepted<ChatCompletionCreateParams>;
