/**
 * Events → a Response, whole or streamed. Called through the `Protocol` in ../index.ts, and by the server, which keeps what was made.
 */
import type { InputTokenCountResponse } from "openai/resources/responses/input-tokens";
import type { CompactedResponse } from "openai/resources/responses/responses";
import { ShimmyError } from "../../../contract/errors.ts";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import { ResponseAnswer } from "./answer.ts";
import type { ResponseCall } from "./decode.ts";
import type { WireEvent, WireResponse } from "./wire.ts";

/** How a server watches an answer come about, and ends it. */
export interface Watch {
  /** The answer from its first moment. */
  onBegin?(answer: ResponseAnswer): void;
  /** It is over, well or not; before the last event is told. */
  onEnd?(response: WireResponse): void;
  /** Whether the work was called off by somebody else than its reader. */
  cancelled?(): boolean;
}

/** @throws whatever `events` throws. */
export async function encodeWholeResponse(
  call: ResponseCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
  watch: Watch = {},
): Promise<WireResponse> {
  const answer = new ResponseAnswer(call, model);
  watch.onBegin?.(answer);
  try {
    for await (const event of events) answer.add(event);
    answer.finish();
  } catch (error) {
    if (watch.cancelled?.()) answer.cancel();
    else {
      answer.fail(ShimmyError.from(error));
      watch.onEnd?.(answer.snapshot());
      throw error;
    }
  }
  watch.onEnd?.(answer.snapshot());
  return answer.snapshot();
}

/** The summary as OpenAI's /responses/compact answers it. @throws whatever `events` throws. */
export async function encodeCompaction(call: ResponseCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { id, created_at, output, usage } = await encodeWholeResponse(call, model, events);
  return { id, object: "response.compaction", created_at, output, usage: usage! } satisfies CompactedResponse;
}

/** Ends the work as soon as the prompt is counted. One that is too long is counted too. @throws whatever `events` throws else. */
export async function encodeInputTokens(_call: ResponseCall, _model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  return { object: "response.input_tokens", input_tokens: await countedPrompt(events) } satisfies InputTokenCountResponse;
}

async function countedPrompt(events: AsyncIterable<GenerationEvent>): Promise<number> {
  try {
    for await (const event of events) {
      // Zero: not known yet. Another server tells it at the end.
      if (event.type === "started" && event.promptTokens > 0) return event.promptTokens;
      if (event.type === "finished") return event.promptTokens ?? 0;
    }
  } catch (error) {
    const tokens = error instanceof ShimmyError && error.code === "context_length_exceeded" && error.details.n_prompt_tokens;
    if (typeof tokens === "number") return tokens;
    throw error;
  }
  throw new ShimmyError("internal", {}, { cause: new Error("The events ended before the prompt was counted") });
}

/** Until the work has begun an error is thrown, so that it has its true status; from then on it is the last event. */
export async function* encodeStreamResponse(
  call: ResponseCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
  watch: Watch = {},
): AsyncGenerator<string, void, undefined> {
  const answer = new ResponseAnswer(call, model);
  const frame = framer();
  let begun = false;
  watch.onBegin?.(answer);
  try {
    for await (const event of events) {
      const told = answer.add(event);
      if (!begun) yield* answer.begin().map(frame);
      begun = true;
      for (const each of told) yield frame(each);
    }
    const last = answer.finish();
    watch.onEnd?.(answer.snapshot());
    yield* last.map(frame);
  } catch (error) {
    const cancelled = watch.cancelled?.();
    const last = cancelled ? answer.cancel() : answer.fail(ShimmyError.from(error));
    if (!begun && !cancelled) throw error;
    watch.onEnd?.(answer.snapshot());
    if (!begun) yield* answer.begin().map(frame);
    yield* last.map(frame);
  }
}

/** A frame of a stream of which nothing is known but that it failed. The SDK of OpenAI throws on it. */
export function encodeErrorEvent(error: ShimmyError): string {
  const { code, message, param = null } = error;
  return framer()({ type: "error", code, message, param });
}

/** A stream that never got to its first event, and whose headers are out: an answer that failed. */
export function failedFrames(call: ResponseCall, model: ResolvedModel, error: ShimmyError): string {
  const answer = new ResponseAnswer(call, model);
  return [...answer.begin(), ...answer.fail(error)].map(framer()).join("");
}

/** Numbers the events of one stream, from 0. */
export function framer(): (event: WireEvent) => string {
  let number = 0;
  return (event) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: number++ })}\n\n`;
}
