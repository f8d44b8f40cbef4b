/**
 * A kept Response as the stream that would have told it: GET /v1/responses/{id}?stream=true. Texts come in one piece each. Called by the
 * routes of the server; what it is given was made here, and may have been changed by anybody since, so it is read with care.
 */
import type * as Wire from "openai/resources/responses/responses";
import { framer } from "./encode.ts";
import type { WireEvent, WireResponse } from "./wire.ts";

type Fields = Readonly<Record<string, unknown>>;

/** @param after Only events with a larger number are told. */
export function* replayFrames(response: Fields, after = -1): Generator<string, void, undefined> {
  const frame = framer();
  let number = 0;
  for (const event of replayed(response as unknown as WireResponse)) {
    const text = frame(event);
    if (number++ > after) yield text;
  }
}

function* replayed(response: WireResponse): Generator<WireEvent, void, undefined> {
  const before: WireResponse = {
    ...response,
    status: "in_progress",
    output: [],
    error: null,
    usage: null,
    incomplete_details: null,
    completed_at: null,
  };
  yield { type: "response.created", response: before };
  yield { type: "response.in_progress", response: before };
  for (const [index, item] of response.output.entries()) yield* itemEvents(item, index);
  const { status } = response;
  yield { type: status === "completed" || status === "failed" ? `response.${status}` : "response.incomplete", response };
}

function* itemEvents(item: Wire.ResponseOutputItem, output_index: number): Generator<WireEvent, void, undefined> {
  const done: WireEvent = { type: "response.output_item.done", output_index, item };
  const place = { item_id: item.id ?? "", output_index };
  switch (item.type) {
    case "message":
      yield { type: "response.output_item.added", output_index, item: { ...item, status: "in_progress", content: [] } };
      for (const [content_index, part] of item.content.entries())
        if (part.type === "output_text") yield* textEvents(part, { ...place, content_index });
      return yield done;
    case "reasoning":
      yield { type: "response.output_item.added", output_index, item: { ...item, status: "in_progress", summary: [], content: [] } };
      for (const [summary_index, part] of item.summary.entries()) yield* summaryEvents(part, { ...place, summary_index });
      for (const [content_index, part] of (item.content ?? []).entries()) yield* thoughtEvents(part, { ...place, content_index });
      return yield done;
    case "function_call":
      yield { type: "response.output_item.added", output_index, item: { ...item, status: "in_progress", arguments: "" } };
      yield { type: "response.function_call_arguments.delta", ...place, delta: item.arguments };
      if (item.status !== "completed") return;
      yield { type: "response.function_call_arguments.done", ...place, name: item.name, arguments: item.arguments };
      return yield done;
    case "custom_tool_call":
      yield { type: "response.output_item.added", output_index, item: { ...item, input: "" } };
      yield { type: "response.custom_tool_call_input.delta", ...place, delta: item.input };
      if ((item as { status?: unknown }).status !== "completed") return;
      yield { type: "response.custom_tool_call_input.done", ...place, input: item.input };
      return yield done;
    default:
      yield { type: "response.output_item.added", output_index, item };
      yield done;
  }
}

type Place = { item_id: string; output_index: number };

function* textEvents(part: Wire.ResponseOutputText, place: Place & { content_index: number }): Generator<WireEvent, void, undefined> {
  const logprobs = part.logprobs ?? [];
  yield { type: "response.content_part.added", ...place, part: { ...part, text: "", logprobs: [] } };
  yield { type: "response.output_text.delta", ...place, delta: part.text, logprobs };
  yield { type: "response.output_text.done", ...place, text: part.text, logprobs };
  yield { type: "response.content_part.done", ...place, part };
}

function* summaryEvents(
  part: Wire.ResponseReasoningItem.Summary,
  place: Place & { summary_index: number },
): Generator<WireEvent, void, undefined> {
  yield { type: "response.reasoning_summary_part.added", ...place, part: { ...part, text: "" } };
  yield { type: "response.reasoning_summary_text.delta", ...place, delta: part.text };
  yield { type: "response.reasoning_summary_text.done", ...place, text: part.text };
  yield { type: "response.reasoning_summary_part.done", ...place, part };
}

function* thoughtEvents(
  part: Wire.ResponseReasoningItem.Content,
  place: Place & { content_index: number },
): Generator<WireEvent, void, undefined> {
  yield { type: "response.content_part.added", ...place, part: { ...part, text: "" } };
  yield { type: "response.reasoning_text.delta", ...place, delta: part.text };
  yield { type: "response.reasoning_text.done", ...place, text: part.text };
  yield { type: "response.content_part.done", ...place, part };
}
