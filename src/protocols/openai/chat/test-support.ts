/** Chats encoded and folded again as a client would, for the tests of this folder; imported by tests only. */
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { GenerationEvent } from "../../../contract/generation.ts";
import type { WireTimings } from "../tally.ts";
import { CONTEXT, MODEL, play, readFrames } from "../test-support.ts";
import { decodeChat } from "./decode.ts";
import { encodeStreamChat, encodeWholeChat } from "./encode.ts";

export type Delta = ChatCompletionChunk.Choice.Delta & { reasoning_content?: string; reasoning?: string };
export type Chunk = ChatCompletionChunk & { timings?: WireTimings };

export const callWith = (fields: object = {}) => decodeChat({ messages: [{ role: "user", content: "Hi" }], ...fields }, CONTEXT);
export const whole = (events: readonly GenerationEvent[], fields: object = {}) => encodeWholeChat(callWith(fields), MODEL, play(events));
export const stream = (events: readonly GenerationEvent[], fields: object = {}) =>
  readFrames<Chunk>(encodeStreamChat(callWith(fields), MODEL, play(events)));

/** The whole answer that the chunks of a stream with `include_usage` are the parts of. */
export function fold(chunks: readonly Chunk[], choices: number, logprobs: boolean) {
  const pieces = chunks.flatMap((chunk) => chunk.choices);
  return {
    ...chunks.at(-1),
    object: "chat.completion",
    choices: Array.from({ length: choices }, (_, index) => {
      const own = pieces.filter((piece) => piece.index === index);
      return {
        index,
        message: foldMessage(own.map(({ delta }) => delta)),
        logprobs: logprobs ? { content: own.flatMap((piece) => piece.logprobs?.content ?? []), refusal: null } : null,
        finish_reason: own.at(-1)?.finish_reason,
      };
    }),
  };
}

function foldMessage(deltas: readonly Delta[]) {
  const joined = (name: "content" | "reasoning_content" | "reasoning") => deltas.map((delta) => delta[name] ?? "").join("");
  const calls = foldCalls(deltas.flatMap((delta) => delta.tool_calls ?? []));
  const legacy = deltas.flatMap((delta) => delta.function_call ?? []);
  const [first] = legacy;
  return {
    role: deltas.find(({ role }) => role)?.role,
    // A stream opens before anybody knows that there will be calls and no text.
    content: joined("content") === "" && (calls.length > 0 || first) ? null : joined("content"),
    refusal: null,
    ...(joined("reasoning") !== "" && { reasoning_content: joined("reasoning_content"), reasoning: joined("reasoning") }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(first && { function_call: { name: first.name, arguments: legacy.map((piece) => piece.arguments ?? "").join("") } }),
  };
}

function foldCalls(pieces: readonly ChatCompletionChunk.Choice.Delta.ToolCall[]) {
  const calls: NonNullable<ChatCompletion.Choice["message"]["tool_calls"]> = [];
  for (const { index, id, type, function: part } of pieces) {
    const call = calls[index];
    if (!call) calls[index] = { id: id!, type: type!, function: { name: part!.name!, arguments: part!.arguments! } };
    else if (call.type === "function") call.function.arguments += part!.arguments!;
  }
  return calls;
}
