/**
 * The messages of a chat request → `ChatMessage`s. Content becomes text; what else a template may read travels in `extra`.
 * Called by the chat decoder. It must not know any template: order and roles are judged where the template is rendered.
 */
import type { ChatMessage } from "../../../contract/generation.ts";
import { invalid } from "../validate.ts";
import { contentText, resultText } from "./content.ts";
import { checkExtent } from "./extent.ts";
import type { MessageFields } from "./schema.ts";

/** @throws invalid_value or modality_not_supported with a path such as `messages[2].content[0].type`. */
export function decodeMessages(messages: readonly MessageFields[]): ChatMessage[] {
  if (messages.length === 0) throw invalid("messages", "must have at least one message");
  const ids = new Map<string, string>();
  const decoded = messages.map((message, index) => decodeMessage(fromLegacy(message, index, ids), `messages[${index}]`));
  checkExtent(decoded, "messages");
  return decoded;
}

/**
 * `function_call` and the role `function`, which came before tools: the same in today's words, for templates know only these.
 * @param ids the last call of each function
 */
function fromLegacy(message: MessageFields, index: number, ids: Map<string, string>): MessageFields {
  const { function_call: call, ...rest } = message;
  if (call) {
    const id = `call_${index}`;
    ids.set(call.name, id);
    const calls = [...(message.tool_calls ?? []), { id, type: "function", function: call }];
    return { ...rest, tool_calls: calls };
  }
  if (message.role !== "function") return message;
  const id = ids.get(message.name ?? "");
  return { ...message, role: "tool", ...(id !== undefined && { tool_call_id: id }) };
}

function decodeMessage(message: MessageFields, at: string): ChatMessage {
  const { role, content, refusal, reasoning_content, reasoning, reasoning_details, ...rest } = message;
  const written = role === "tool" ? resultText(content, `${at}.content`) : contentText(content, `${at}.content`);
  const thought = role === "assistant" ? thoughtOf([reasoning_content, reasoning, textOfDetails(reasoning_details)]) : undefined;
  const fields = Object.entries(rest).filter(([, value]) => isPresent(value));
  if (thought !== undefined) fields.push(["reasoning_content", thought]);
  return {
    role,
    content: written === "" && role === "assistant" ? (refusal ?? "") : written,
    ...(fields.length > 0 && { extra: Object.fromEntries(fields) }),
  };
}

/** Templates ask whether a field is there at all, so `tool_calls: null` and `[]`, which clients echo back, must not be. */
function isPresent(value: unknown): boolean {
  return value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);
}

/** A thought of ours or another server's that is sent back under one of its names, or under several. */
function thoughtOf(said: readonly unknown[]): string | undefined {
  return said.find((each): each is string => typeof each === "string" && each !== "");
}

/** OpenRouter's list; what is encrypted or of an unknown shape is passed over. */
function textOfDetails(details: unknown): string | undefined {
  if (!Array.isArray(details)) return undefined;
  const texts = details.map((detail: { readonly text?: unknown; readonly summary?: unknown } | null) => detail?.text ?? detail?.summary);
  return texts.filter((text) => typeof text === "string").join("");
}
