/**
 * The body of POST /v1/chat/completions → a `ChatCall`. Called by the server with parsed JSON of unknown shape.
 * It must not know any template, model or engine.
 */
import { ShimmyError } from "../../../contract/errors.ts";
import type { ChatPrompt, GenerationRequest } from "../../../contract/generation.ts";
import type { DecodeContext } from "../../protocol.ts";
import { constraintOf } from "../constraint.ts";
import { commonCall, type OpenAICall } from "../request.ts";
import { invalid, validate } from "../validate.ts";
import { decodeMessages } from "./messages.ts";
import { hidesReasoning, reasoningWish, templateOptions } from "./reasoning.ts";
import { type ChatFields, chatSchema } from "./schema.ts";
import { isLegacy, toolUse } from "./tools.ts";

export { type ChatBody, chatSchema } from "./schema.ts";

export interface ChatCall extends OpenAICall {
  /** Answer with `function_call`, as it was before tools. */
  readonly legacyFunctions: boolean;
  /** Thoughts are generated and not told. */
  readonly hidesReasoning: boolean;
}

export function decodeChat(body: unknown, context: DecodeContext): ChatCall {
  const fields = validate(chatSchema, body);
  const constraint = constraintOf(body as object);
  const call = commonCall(fields, "chatcmpl", context);
  const topLogprobs = topLogprobsOf(fields);
  const prompt = promptOf(fields);
  if (constraint && "gbnf" in constraint && prompt.tools)
    throw invalid("grammar", "it cannot be combined with tools; use response_format, or tool_choice 'none'");
  const request: GenerationRequest = {
    ...call.request,
    ...(constraint && { constraint }),
    prompt,
    ...(topLogprobs !== undefined && { topLogprobs }),
  };
  return { ...call, request, legacyFunctions: isLegacy(fields), hidesReasoning: hidesReasoning(fields) };
}

function promptOf(fields: ChatFields): ChatPrompt {
  if (fields.modalities?.includes("audio")) throw new ShimmyError("modality_not_supported", { param: "modalities", what: "audio" });
  const reasoning = reasoningWish(fields);
  const options = templateOptions(fields, reasoning);
  return {
    kind: "chat",
    messages: decodeMessages(fields.messages),
    ...toolUse(fields),
    ...(reasoning && { reasoning }),
    ...(fields.add_generation_prompt === false && { addGenerationPrompt: false }),
    ...(options && { templateOptions: options }),
  };
}

/** `logprobs: true` alone reports each token with no alternatives. */
function topLogprobsOf({ logprobs, top_logprobs: top }: ChatFields): number | undefined {
  if (logprobs) return top ?? 0;
  if (top) throw invalid("top_logprobs", "needs logprobs: true");
  return undefined;
}
