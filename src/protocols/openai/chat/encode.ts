/**
 * Events → chat completions, whole and as chunks. Called through the `Protocol` in ../index.ts.
 * The literals are checked against the types of OpenAI's client.
 */
import type { ChatCompletion, ChatCompletionChunk } from "openai/resources/chat/completions";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import { collect, headOf, type WholeChoice } from "../answer.ts";
import { chatLogprobs } from "../logprobs.ts";
import { type ChunkWriter, streamFrames } from "../stream.ts";
import { finishReason, type WireTimings } from "../tally.ts";
import type { ChatCall } from "./decode.ts";

export async function encodeWholeChat(call: ChatCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { choices, tally } = await collect(call.request.choices, events);
  return {
    ...headOf(call, model, "chat.completion"),
    choices: choices.map((choice, index) => wholeChoice(call, choice, index)),
    usage: tally.usage(),
    timings: tally.timings(),
  } satisfies ChatCompletion & { timings: WireTimings };
}

function wholeChoice({ request }: ChatCall, { text, logprobs, reason }: WholeChoice, index: number): ChatCompletion.Choice {
  return {
    index,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: request.topLogprobs === undefined ? null : chatLogprobs(logprobs),
    finish_reason: finishReason(reason),
  };
}

export function encodeStreamChat(call: ChatCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>): AsyncIterable<string> {
  const writer: ChunkWriter<ChatCompletionChunk.Choice> = {
    head: headOf(call, model, "chat.completion.chunk") satisfies Omit<ChatCompletionChunk, "choices">,
    opening: (index) => ({ index, delta: { role: "assistant", content: "" }, finish_reason: null }),
    text: (index, content, logprobs) => ({
      index,
      delta: { content },
      ...(logprobs && { logprobs: chatLogprobs(logprobs) }),
      finish_reason: null,
    }),
    closing: (index, reason) => ({ index, delta: {}, finish_reason: finishReason(reason) }),
  };
  return streamFrames(call, writer, events);
}
