/**
 * How long a conversation may be, in messages and calls. Templates are rendered on the one thread that all streams share, 10 to 20 µs for
 * each: 130,000 calls without a word in them took 1.4 s or more. Called by the decoders of chats and responses.
 */
import type { ChatMessage } from "../../../contract/generation.ts";
import { invalid } from "../validate.ts";

/** Messages, and calls of tools in them. Written as briefly as they can be, so many do not fit a context of 40,000 tokens. */
export const MAX_TURNS = 8192;

/** @throws invalid_value for this parameter */
export function checkExtent(messages: readonly ChatMessage[], param: string): void {
  let turns = messages.length;
  for (const { extra } of messages) if (Array.isArray(extra?.tool_calls)) turns += extra.tool_calls.length;
  if (turns > MAX_TURNS) throw invalid(param, `it has ${turns} messages and calls of tools; ${MAX_TURNS} are the most`);
}
