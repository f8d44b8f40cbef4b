/**
 * Small pure changes that make a conversation acceptable to a template that refused it, least harmful first.
 * The ladder in template.ts tries them one after another, keeping the earlier ones. A step returns the same array
 * when it has nothing to change. None moves a message: what is sent once keeps its place, or the cached prefix dies.
 */
import { createHash } from "node:crypto";
import { asJson, type TemplateMessage, toolCalls, withArguments, without } from "./messages.ts";

export interface Step {
  readonly name: string;
  apply(messages: readonly TemplateMessage[]): readonly TemplateMessage[];
}

export const developerToSystem: Step = {
  name: "developer→system",
  apply: (messages) => mapSome(messages, (message) => (message.role === "developer" ? { ...message, role: "system" } : message)),
};

export const STEPS: readonly Step[] = [
  developerToSystem,
  { name: "tool call ids of 9 characters", apply: shortToolIds },
  { name: "leading system messages merged", apply: mergeLeadingSystem },
  { name: "later system message→<system-reminder>", apply: laterSystemToReminder },
  { name: "tool arguments wrapped", apply: wrapTextArguments },
  { name: "same roles merged", apply: mergeSameRoles },
  { name: "user turn inserted first", apply: userFirst },
  { name: "system folded into user", apply: foldSystem },
  { name: "tool turns as text", apply: toolTurnsAsText },
  { name: "same roles merged again", apply: mergeSameRoles },
];

/** Mistral's templates refuse all other ids. A result without an id gets that of the next call not yet answered. */
function shortToolIds(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const open: Array<{ readonly id: string; readonly name: unknown }> = [];
  return mapSome(messages, (message, index) => {
    const calls = toolCalls(message);
    if (calls.length > 0) {
      const renamed = calls.map((call, place) => ({ ...call, id: shortId(call.id ?? `${index}:${place}`) }));
      open.push(...renamed.map((call) => ({ id: call.id, name: call.function?.name })));
      return { ...message, tool_calls: renamed };
    }
    if (message.role !== "tool") return message;
    const wanted = message.tool_call_id === undefined ? open[0]?.id : shortId(message.tool_call_id);
    const place = open.findIndex((call) => call.id === wanted);
    const call = place === -1 ? undefined : open.splice(place, 1)[0];
    return { name: call?.name ?? "tool", ...message, tool_call_id: wanted ?? shortId(`${index}`) };
  });
}

function shortId(id: unknown): string {
  const text = String(id);
  return /^[a-zA-Z0-9]{9}$/.test(text) ? text : createHash("sha256").update(text).digest("hex").slice(0, 9);
}

function mergeLeadingSystem(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const first = messages.findIndex((message) => message.role !== "system");
  const count = first === -1 ? messages.length : first;
  if (count < 2) return messages;
  return [{ role: "system", content: joined(messages.slice(0, count)) }, ...messages.slice(count)];
}

function laterSystemToReminder(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  return mapSome(messages, (message, index) =>
    index > 0 && message.role === "system"
      ? { role: "user", content: `<system-reminder>\n${message.content}\n</system-reminder>` }
      : message,
  );
}

/** Templates that walk through the arguments cannot walk through a text. */
function wrapTextArguments(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  return mapSome(messages, (message) => {
    const calls = toolCalls(message);
    if (!calls.some((call) => typeof call.function?.arguments === "string")) return message;
    const wrap = (value: unknown) => (typeof value === "string" ? { arguments: value } : value);
    return { ...message, tool_calls: calls.map((call) => withArguments(call, wrap)) };
  });
}

/** For templates without tools: calls in the form most models have seen (Hermes), results as a user turn. */
function toolTurnsAsText(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  return mapSome(messages, (message) => {
    if (message.role === "tool") return { role: "user", content: `<tool_response>\n${message.content}\n</tool_response>` };
    const calls = toolCalls(message);
    if (calls.length === 0) return message;
    const texts = calls.map(
      (call) =>
        `<tool_call>\n{"name": ${JSON.stringify(call.function?.name ?? "")}, "arguments": ${asJson(call.function?.arguments)}}\n</tool_call>`,
    );
    const content = [message.content, ...texts].filter((text) => text !== "").join("\n");
    return { ...without(message, "tool_calls"), role: message.role, content };
  });
}

function mergeSameRoles(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const merged: TemplateMessage[] = [];
  for (const message of messages) {
    const last = merged.at(-1);
    const same = last?.role === message.role && (message.role === "user" || message.role === "assistant");
    if (!last || !same || toolCalls(last).length > 0 || toolCalls(message).length > 0) merged.push(message);
    else merged[merged.length - 1] = { ...last, ...message, content: joined([last, message]) };
  }
  return merged.length === messages.length ? messages : merged;
}

function userFirst(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const first = messages.findIndex((message) => message.role !== "system");
  if (first === -1 || messages[first]!.role !== "assistant") return messages;
  return [...messages.slice(0, first), { role: "user", content: "(start of the conversation)" }, ...messages.slice(first)];
}

function foldSystem(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const [system, next, ...rest] = messages;
  if (system?.role !== "system") return messages;
  if (next?.role === "user") return [{ ...next, content: joined([system, next]) }, ...rest];
  return [{ ...system, role: "user" }, ...messages.slice(1)];
}

function joined(messages: readonly TemplateMessage[]): string {
  return messages
    .map((message) => message.content)
    .filter((text) => text !== "")
    .join("\n\n");
}

/** `map`, but the array itself when nothing changed. */
function mapSome(
  messages: readonly TemplateMessage[],
  change: (message: TemplateMessage, index: number) => TemplateMessage,
): readonly TemplateMessage[] {
  const changed = messages.map(change);
  return changed.some((message, index) => message !== messages[index]) ? changed : messages;
}
