/**
 * The body of POST /v1/chat/completions → a `ChatCall`. Called by the server with parsed JSON of unknown shape.
 * It must not know any template, model or engine.
 */
import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import * as z from "zod/mini";
import type { GenerationRequest, Prompt, Tool } from "../../../contract/generation.ts";
import type { DecodeContext } from "../../protocol.ts";
import { constraintOf } from "../constraint.ts";
import { commonCall, type OpenAICall } from "../request.ts";
import { commonFields, wholeRange } from "../schema.ts";
import { invalid, validate } from "../validate.ts";
import { decodeMessages } from "./messages.ts";

export type ChatCall = OpenAICall;

const chatSchema = z.object({
  ...commonFields,
  messages: z.array(z.unknown()),
  logprobs: z.nullish(z.boolean()),
  top_logprobs: wholeRange(0, 20),
  tools: z.nullish(z.array(z.unknown())),
  tool_choice: z.nullish(z.union([z.string(), z.object({ type: z.string() })], { error: "must be a string or an object" })),
  chat_template_kwargs: z.nullish(z.record(z.string(), z.unknown())),
});
type ChatFields = z.output<typeof chatSchema>;

/** Everything OpenAI's own client may send is accepted; a field this type cannot hold is a compile error here. */
type Accepted<Body extends z.input<typeof chatSchema>> = Body;
export type ChatBody = Accepted<ChatCompletionCreateParams>;

const toolSchema = z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) });

export function decodeChat(body: unknown, context: DecodeContext): ChatCall {
  const fields = validate(chatSchema, body);
  const constraint = constraintOf(body as object);
  const call = commonCall(fields, "chatcmpl", context);
  const topLogprobs = topLogprobsOf(fields);
  const request: GenerationRequest = {
    ...call.request,
    ...(constraint && { constraint }),
    prompt: promptOf(fields),
    ...(topLogprobs !== undefined && { topLogprobs }),
  };
  return { ...call, request };
}

function promptOf(fields: ChatFields): Prompt {
  const tools = toolsOf(fields);
  return {
    kind: "chat",
    messages: decodeMessages(fields.messages),
    ...(tools && { tools }),
    ...(fields.chat_template_kwargs && { templateOptions: fields.chat_template_kwargs }),
  };
}

/** `logprobs: true` alone reports each token with no alternatives. */
function topLogprobsOf({ logprobs, top_logprobs: top }: ChatFields): number | undefined {
  if (logprobs) return top ?? 0;
  if (top) throw invalid("top_logprobs", "needs logprobs: true");
  return undefined;
}

/** The tools the template is to show; none under `tool_choice: "none"`, so the model cannot think of calling one. */
function toolsOf({ tools: given, tool_choice: choice }: ChatFields): readonly Tool[] | undefined {
  const tools = given?.map((tool, index) => validate(toolSchema, tool, `tools[${index}]`) as Tool);
  if (choice !== null && choice !== undefined && choice !== "auto" && choice !== "none") {
    const known = typeof choice === "object" || choice === "required";
    throw invalid("tool_choice", known ? "a tool call cannot be forced yet; use 'auto' or 'none'" : "must be 'auto' or 'none'");
  }
  return choice === "none" || !tools?.length ? undefined : tools;
}
