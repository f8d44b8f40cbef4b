/**
 * The messages of a chat request → `ChatMessage`s. Content is text or text parts; what else a template may read travels in `extra`.
 * Called by the chat decoder. It must not know any template: order and roles are judged where the template is rendered.
 */
import * as z from "zod/mini";
import type { ChatMessage } from "../../../contract/generation.ts";
import { invalid, validate } from "../validate.ts";

const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.nullish(z.union([z.string(), z.array(z.unknown())], { error: "must be a string, an array of content parts or null" })),
  name: z.nullish(z.string()),
  tool_call_id: z.nullish(z.string()),
  tool_calls: z.nullish(z.array(z.unknown())),
  reasoning_content: z.nullish(z.string()),
});
const toolCallSchema = z.looseObject({ function: z.nullish(z.looseObject({ name: z.string() })) });
const partSchema = z.looseObject({ type: z.string() });
const textSchema = z.string();

/** @throws invalid_value with a path such as `messages[2].content[0].type`. */
export function decodeMessages(messages: readonly unknown[]): ChatMessage[] {
  if (messages.length === 0) throw invalid("messages", "must have at least one message");
  // One by one, so that the first wrong message ends the work.
  return messages.map((message, index) => decodeMessage(message, `messages[${index}]`));
}

function decodeMessage(message: unknown, at: string): ChatMessage {
  const { role, content, ...rest } = validate(messageSchema, message, at);
  rest.tool_calls?.forEach((call, index) => {
    validate(toolCallSchema, call, `${at}.tool_calls[${index}]`);
  });
  const extra = Object.fromEntries(Object.entries(rest).filter(([, value]) => isPresent(value)));
  return {
    role,
    content: textOf(content, `${at}.content`),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

/** Templates ask whether a field is there at all, so `tool_calls: null` and `[]`, which clients echo back, must not be. */
function isPresent(value: unknown): boolean {
  return value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);
}

function textOf(content: string | readonly unknown[] | null | undefined, at: string): string {
  if (typeof content === "string") return content;
  // Joined as llama.cpp's server does: parts are paragraphs to the clients that send several.
  return (content ?? []).map((part, index) => textOfPart(part, `${at}[${index}]`)).join("\n");
}

function textOfPart(part: unknown, at: string): string {
  const { type, ...fields } = validate(partSchema, part, at);
  switch (type) {
    case "text":
    case "input_text":
    case "output_text":
      return validate(textSchema, fields.text, `${at}.text`);
    case "refusal":
      return validate(textSchema, fields.refusal, `${at}.refusal`);
    case "image_url":
    case "input_image":
    case "input_audio":
    case "file":
    case "input_file":
    case "video_url":
      throw invalid(`${at}.type`, `'${type}' cannot be read: this engine build has no vision or audio, only text`);
    default:
      throw invalid(`${at}.type`, "must be 'text'");
  }
}
