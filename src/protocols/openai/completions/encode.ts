/**
 * Events → legacy completions, whole and as chunks. Called through the `Protocol` in ../index.ts.
 * The literals are checked against the types of OpenAI's client. Choices are numbered through all prompts: prompt × n + choice.
 */
import type { Completion, CompletionChoice } from "openai/resources/completions";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import { headOf } from "../answer.ts";
import { choicesOf } from "../request.ts";
import { type ChunkWriter, streamFrames } from "../stream.ts";
import { finishReason, type WireTimings } from "../tally.ts";
import type { CompletionCall } from "./decode.ts";
import { type Answer, gather, likeliest } from "./gather.ts";
import { LegacyLogprobs, textOf } from "./legacy-logprobs.ts";

/** OpenAI's type has no null here, its stream does until the last chunk. */
type ChunkChoice = Omit<CompletionChoice, "finish_reason"> & { finish_reason: CompletionChoice["finish_reason"] | null };
type Lists = Required<CompletionChoice.Logprobs>;

export async function encodeWholeCompletion(call: CompletionCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { prompts, tally } = await gather(call, events);
  const told = prompts.flatMap((answers, prompt) => likeliest(answers, call.told).map((answer) => ({ answer, prompt })));
  return {
    ...headOf(call, model, "text_completion"),
    choices: told.map(({ answer, prompt }, index) => wholeChoice(call, answer, prompt, index)),
    usage: tally.usage(),
    timings: tally.timings(),
  } satisfies Completion & { timings: WireTimings };
}

function wholeChoice({ echo, logprobs }: CompletionCall, answer: Answer, prompt: number, index: number): CompletionChoice {
  const before = echo ? (echo[prompt] ?? textOf(answer.prompt ?? [])) : "";
  const lists = new LegacyLogprobs();
  const ofPrompt = answer.prompt && lists.prompt(answer.prompt, before);
  return {
    index,
    text: before + answer.text,
    // Harnesses count on a token behind the prompt, and throw it away: where the answer ends at once it is that which ended it.
    logprobs: logprobs ? joined(ofPrompt, lists.next(answer.end ? [...answer.logprobs, answer.end] : answer.logprobs)) : null,
    finish_reason: finishReason(answer.reason),
  };
}

function joined(first: Lists | undefined, second: Lists): Lists {
  if (!first) return second;
  return {
    tokens: first.tokens.concat(second.tokens),
    token_logprobs: first.token_logprobs.concat(second.token_logprobs),
    top_logprobs: first.top_logprobs.concat(second.top_logprobs),
    text_offset: first.text_offset.concat(second.text_offset),
  };
}

export function encodeStreamCompletion(
  call: CompletionCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncIterable<string> {
  const legacy = Array.from({ length: choicesOf(call) }, () => new LegacyLogprobs());
  const echoOf = (index: number) => call.echo?.[Math.floor(index / call.request.choices)];
  const piece = (index: number, text: string, logprobs: Lists | null = null): ChunkChoice => ({
    index,
    text,
    logprobs,
    finish_reason: null,
  });
  const writer: ChunkWriter<ChunkChoice> = {
    head: headOf(call, model, "text_completion") satisfies Omit<Completion, "choices">,
    // With its log probabilities the prompt is repeated when they are there.
    opening: (index) => (call.request.promptLogprobs || !echoOf(index) ? undefined : piece(index, echoOf(index)!)),
    prompt: (index, tokens) => {
      const text = echoOf(index) ?? textOf(tokens);
      return piece(index, text, call.logprobs ? legacy[index]!.prompt(tokens, text) : null);
    },
    // `text` as the last empty string of the JSON: see ChunkWriter.
    text: (index, text, logprobs) => piece(index, text, logprobs && call.logprobs ? legacy[index]!.next(logprobs) : null),
    closing: (index, reason, end) => ({
      ...piece(index, "", end && call.logprobs ? legacy[index]!.next([end]) : null),
      finish_reason: finishReason(reason),
    }),
  };
  return streamFrames(call, writer, events);
}
