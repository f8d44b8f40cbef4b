/**
 * Results of tools within the turn that called them, for templates that know no turn of a tool but a list `tool_responses` (Gemma 4 before
 * its template took OpenAI's messages). As llama.cpp does for them. Called by the renderer.
 */
import { type TemplateMessage, toolCalls } from "./messages.ts";

/** Whether the template wants them so. */
export function wantsToolResponses(source: string): boolean {
  return source.includes("tool_responses") && !/role\b['"\])]*\s*[=!]=\s*['"]tool['"]/.test(source);
}

/** The text behind the results belongs to the same turn. */
export function withToolResponses(messages: readonly TemplateMessage[]): readonly TemplateMessage[] {
  const turns: TemplateMessage[] = [];
  for (let at = 0; at < messages.length; at++) {
    const message = messages[at]!;
    const calls = toolCalls(message);
    if (calls.length === 0) {
      turns.push(message);
      continue;
    }
    // It would be printed behind the results.
    if (message.content !== "") turns.push({ role: message.role, content: message.content });
    const responses: unknown[] = [];
    for (; messages[at + 1]?.role === "tool"; at++) {
      const name = calls[responses.length]?.function?.name ?? messages[at + 1]!.name ?? "unknown";
      responses.push({ name, response: asValue(messages[at + 1]!.content) });
    }
    const next = messages[at + 1];
    const answer = responses.length > 0 && next?.role === "assistant" && toolCalls(next).length === 0 ? next.content : "";
    if (answer !== "") at++;
    turns.push({ ...message, content: answer, ...(responses.length > 0 && { tool_responses: responses }) });
  }
  return turns;
}

/** An object is printed member by member, all else as it is. */
function asValue(content: string): unknown {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : content;
  } catch {
    // The usual result: a text.
    return content;
  }
}
