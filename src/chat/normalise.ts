/**
 * Small pure changes that make a conversation acceptable to a template that refused it, least harmful first.
 * The ladder in template.ts tries them one after another, keeping the earlier ones. A step returns the same array
 * when it has nothing to change. None moves a message: what is sent once keeps its place, or the cached prefix dies.
 */
import { createHash } from "node:crypto";
import type { WriteCalls } from "./answer/written-calls.ts";
import { type TemplateMessage, toolCalls, withArguments, without } from "./messages.ts";

export interface Step {
  readonly name: string;
  apply(messages: readonly TemplateMessage[]): readonly TemplateMessage[];
}

export const developerToSystem: Step = {
  name: "developer→system",
  apply: (messages) => mapSome(messages, (message) => (message.role === "developer" ? { ...message, role: "system" } : message)),
};

/** @param write how the model writes calls */
export function stepsFor(write: WriteCalls): readonly Step[] {
  return [...STEPS, { name: "tool calls as text", apply: (messages) => callsAsText(messages, write) }, ...LAST_STEPS];
}

const STEPS: readonly Step[] = [
  { name: "tool call ids of 9 characters", apply: shortToolIds },
  { name: "leading system messages merged", apply: mergeLeadingSystem },
  { name: "later system message→<system-reminder>", apply: laterSystemToReminder },
  { name: "tool arguments wrapped", apply: wrapTextArguments },
  { name: "one tool call a turn", apply: oneCallATurn },
  { name: "same roles merged", apply: mergeSameRoles },
  { name: "user turn inserted first", apply: userFirst },
  { name: "system folded into user", apply: foldSystem },
];
const LAST_STEPS: readonly Step[] = [
  { name: "tool results as text", apply: resultsAsText },
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

/** For templates that refuse several (Llama 3): each call with its result, one after another. */
function oneCallATurn(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  if (!messages.some((message) => toolCalls(message).length > 1)) return messages;
  const turns: TemplateMessage[] = [];
  for (let at = 0; at < messages.length; at++) {
    const message = messages[at]!;
    const calls = toolCalls(message);
    if (calls.length < 2) {
      turns.push(message);
      continue;
    }
    const results: TemplateMessage[] = [];
    while (messages[at + 1]?.role === "tool") results.push(messages[++at]!);
    calls.forEach((call, index) => {
      turns.push(index === 0 ? { ...message, tool_calls: [call] } : { role: message.role, content: "", tool_calls: [call] });
      const own = results.findIndex((result) => result.tool_call_id === call.id);
      turns.push(...results.splice(own === -1 ? 0 : own, own === -1 && index < calls.length - 1 ? 0 : 1));
    });
    turns.push(...results);
  }
  return turns;
}

/** For templates that print no calls: as the model itself writes them. */
function callsAsText(messages: readonly TemplateMessage[], write: WriteCalls): readonly TemplateMessage[] {
  return mapSome(messages, (message) => {
    const calls = toolCalls(message);
    if (calls.length === 0) return message;
    const written = write(calls.map((call) => ({ name: String(call.function?.name ?? ""), arguments: call.function?.arguments ?? {} })));
    const content = [message.content, written].filter((text) => text !== "").join("\n");
    return { ...without(message, "tool_calls"), role: message.role, content };
  });
}

/** For templates without a role for results: a user turn. */
function resultsAsText(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  return mapSome(messages, (message) =>
    message.role === "tool" ? { role: "user", content: `<tool_response>\n${message.content}\n</tool_response>` } : message,
  );
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
  const [system, next, ...rest] = mergeLeadingSystem(messages);
  if (system?.role !== "system") return messages;
  if (next?.role === "user") return [{ ...next, content: joined([system, next]) }, ...rest];
  return [{ ...system, role: "user" }, ...(next ? [next, ...rest] : [])];
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
