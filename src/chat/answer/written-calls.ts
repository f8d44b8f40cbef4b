/**
 * Calls of the past as the model itself writes them, for templates that print none. Called by the formats and chat/normalise.ts. What it
 * writes is what the format's reader reads; JSON is spelled as Python's json.dumps does, for templates print it so.
 */
import { meant } from "../meant.ts";

export interface PastCall {
  readonly name: string;
  /** An object, or a text that a model once wrote and that is none. */
  readonly arguments: unknown;
}

/** Calls → the text of one answer; marks are meant (chat/meant.ts). */
export type WriteCalls = (calls: readonly PastCall[]) => string;

/** `{"a": [1, 2]}` */
export function spacedJson(value: unknown): string {
  // Within JSON only what stands between values is broken into lines.
  return (JSON.stringify(value, null, 1) ?? "null").replace(/,\n */g, ", ").replace(/\n */g, "");
}

/** Hermes, and what models without a form of their own are told to write. */
export const writeHermes: WriteCalls = (calls) =>
  calls
    .map((call) => `${meant("<tool_call>")}\n${spacedJson({ name: call.name, arguments: call.arguments })}\n${meant("</tool_call>")}`)
    .join("\n");
