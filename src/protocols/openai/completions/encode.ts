/**
 * Events → legacy completions, whole and as chunks. Called through the `Protocol` in ../index.ts.
 * The literals are checked against the types of OpenAI's client.
 */
import type { Completion, CompletionChoice } from "openai/resources/completions";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import { collect, headOf, type WholeChoice } from "../answer.ts";
import { LegacyLogprobs } from "../logprobs.ts";
import { type ChunkWriter, streamFrames } from "../stream.ts";
import { finishReason, type WireTimings } from "../tally.ts";
import type { CompletionCall } from "./decode.ts";

/** OpenAI's type has no null here, its stream does until the last chunk. */
type ChunkChoice = Omit<CompletionChoice, "finish_reason"> & { finish_reason: CompletionChoice["finish_reason"] | null };

export async function encodeWholeCompletion(call: CompletionCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { choices, tally } = await collect(call.request.choices, events);
  return {
    ...headOf(call, model, "text_completion"),
    choices: choices.map((choice, index) => wholeChoice(call, choice, index)),
    usage: tally.usage(),
    timings: tally.timings(),
  } satisfies Completion & { timings: WireTimings };
}

function wholeChoice({ request, echo }: CompletionCall, { text, logprobs, reason }: WholeChoice, index: number): CompletionChoice {
  return {
    index,
    text: echo + text,
    logprobs: request.topLogprobs === undefined ? null : new LegacyLogprobs().next(logprobs),
    finish_reason: finishReason(reason),
  };
}

export function encodeStreamCompletion(
  call: CompletionCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncIterable<string> {
  const legacy = Array.from({ length: call.request.choices }, () => new LegacyLogprobs());
  const writer: ChunkWriter<ChunkChoice> = {
    head: headOf(call, model, "text_completion") satisfies Omit<Completion, "choices">,
    opening: (index) => (call.echo === "" ? undefined : { index, text: call.echo, logprobs: null, finish_reason: null }),
    text: (index, text, logprobs) => ({
      index,
      text,
      logprobs: logprobs ? legacy[index]!.next(logprobs) : null,
      finish_reason: null,
    }),
    closing: (index, reason) => ({ index, text: "", logprobs: null, finish_reason: finishReason(reason) }),
  };
  return streamFrames(call, writer, events);
}
