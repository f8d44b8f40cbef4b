/**
 * Messages of the contract in the form templates read: one flat object a message, as in transformers.
 * Called by the renderer; normalise.ts changes the same objects. No template and no token is known here.
 */
import type { ChatMessage } from "../contract/generation.ts";

export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
  readonly [name: string]: unknown;
}

export interface ToolCall {
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown; readonly [name: string]: unknown };
  readonly [name: string]: unknown;
}

/** What one template wants to see, measured by traits.ts. */
export interface MessageForm {
  /** A string, or a list of `{type: "text", text}`. */
  readonly content: "string" | "parts";
  /** `function.arguments` as an object (transformers) or as JSON text (OpenAI). */
  readonly toolArguments: "object" | "json";
  /** What the content of a turn with tool calls and no text is. */
  readonly emptyContent: "" | null;
  /** How it reads a thought of the past: under which name, or as a part of the content (Mistral). */
  readonly thought: string | { readonly part: string };
}

/** The name that a thought has in the messages of this room. */
export const THOUGHT = "reasoning_content";

/** Tool-call arguments become objects, where they are JSON objects: what most templates read. */
export function toTemplateMessages(messages: readonly ChatMessage[]): TemplateMessage[] {
  return messages.map(({ role, content, extra }) => {
    const message: TemplateMessage = { role, content: content ?? "", ...without(extra ?? {}, "role", "content") };
    // A client may repeat the field of an answer that called nothing.
    const calls = toolCalls(message).map((call) => withArguments(call, parsedArguments));
    return calls.length > 0 ? { ...message, tool_calls: calls } : { role, content: message.content, ...without(message, "tool_calls") };
  });
}

export function toolCalls(message: Readonly<Record<string, unknown>>): readonly ToolCall[] {
  const calls = message.tool_calls;
  return Array.isArray(calls) ? calls.filter((call): call is ToolCall => typeof call === "object" && call !== null) : [];
}

export function withArguments(call: ToolCall, change: (value: unknown) => unknown): ToolCall {
  return call.function ? { ...call, function: { ...call.function, arguments: change(call.function.arguments) } } : call;
}

/** An object as it is or as its JSON says, nothing as `{}`; a text that is no JSON object stays that text. */
function parsedArguments(value: unknown): unknown {
  if (value === undefined || value === null) return {};
  if (typeof value !== "string") return value;
  if (value.trim() === "") return {};
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? parsed : value;
  } catch {
    // A model wrote this once and the session must go on: templates print it as text.
    return value;
  }
}

/** The value a template gets for a message; every string goes through `protect`. */
export function toForm(message: TemplateMessage, shape: MessageForm, protect: Protect): Record<string, unknown> {
  const { role, content, ...rest } = message;
  const calls = toolCalls(message);
  const own = role === "assistant";
  const fields = Object.entries(rest).map(([name, value]) => {
    if (name === "tool_calls" && own && shape.toolArguments === "json") return [name, protect.deep(calls.map(asOpenAI))] as const;
    return [name, typeof value === "string" ? protect.text(value, own) : protect.deep(value)] as const;
  });
  // Entries, not assignments: a field called `__proto__` must stay a field.
  const form: Record<string, unknown> = Object.fromEntries([
    // A role of word characters is one the template compares with, and can spell no control text of its own.
    ["role", /^\w+$/.test(role) ? role : protect.text(role, false)],
    ["content", contentOf(protect.text(content, own), calls.length > 0, shape)],
    ...fields,
  ]);
  return own && form[THOUGHT] !== undefined && shape.thought !== THOUGHT ? withThought(form, shape.thought) : form;
}

function asOpenAI(call: ToolCall): ToolCall {
  return withArguments(call, asJson);
}

function contentOf(text: string, hasCalls: boolean, shape: MessageForm): unknown {
  if (text === "" && hasCalls) return shape.emptyContent;
  return shape.content === "parts" ? [{ type: "text", text }] : text;
}

function withThought(form: Readonly<Record<string, unknown>>, thought: MessageForm["thought"]): Record<string, unknown> {
  const { [THOUGHT]: text, content, ...rest } = form;
  if (typeof thought === "string") return { [thought]: text, ...form };
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : Array.isArray(content) ? content : [];
  return { ...rest, content: [{ type: thought.part, [thought.part]: text }, ...parts.filter((part) => part.text !== "")] };
}

export interface Protect {
  text(text: string, readable: boolean): string;
  deep(value: unknown): unknown;
}

export function asJson(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? {});
}

export function without<T extends Readonly<Record<string, unknown>>, K extends string>(object: T, ...names: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name as K))) as Omit<T, K>;
}
