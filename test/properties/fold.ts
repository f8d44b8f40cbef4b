/**
 * Folds of streams, written from what OpenAI documents and not from the encoders, and both shapes of an answer brought to one form. For
 * fold.test.ts. They are strict: a delta that a client could misread is thrown at.
 */
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionTokenLogprob } from "openai/resources/chat/completions";
import type { CompletionUsage } from "openai/resources/completions";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";

interface Thoughtful {
  readonly reasoning?: string | null;
  readonly reasoning_content?: string | null;
}

export interface FoldedCall {
  readonly name: string;
  arguments: string;
}

export interface FoldedChoice {
  content: string;
  reasoning: string;
  readonly calls: FoldedCall[];
  readonly logprobs: ChatCompletionTokenLogprob[];
  finish: string | null;
}

export interface FoldedChat {
  readonly choices: FoldedChoice[];
  readonly usage?: CompletionUsage | undefined;
}

function fail(reason: string, what: unknown): never {
  throw new Error(`${reason}: ${JSON.stringify(what)}`);
}

/** Ids of calls are made anew for each answer: they are checked and left out. */
export function ofWholeChat({ choices, usage }: ChatCompletion): FoldedChat {
  const folded = choices.map((choice, index): FoldedChoice => {
    const message: ChatCompletion.Choice["message"] & Thoughtful = choice.message;
    const calls = message.tool_calls ?? [];
    if (choice.index !== index || message.role !== "assistant") fail("wrong place or role", choice);
    if (message.reasoning !== message.reasoning_content) fail("two different thoughts", message);
    if (message.content === null && calls.length === 0) fail("nothing at all", message);
    if (new Set(calls.map(({ id }) => id)).size !== calls.length) fail("ids of calls repeat", calls);
    return {
      content: message.content ?? "",
      reasoning: message.reasoning ?? "",
      calls: calls.map((call) => (call.type === "function" ? { ...call.function } : fail("no function", call))),
      logprobs: choice.logprobs?.content ?? [],
      finish: choice.finish_reason,
    };
  });
  return { choices: folded, usage };
}

export function ofChatChunks(chunks: readonly ChatCompletionChunk[]): FoldedChat {
  const choices: FoldedChoice[] = [];
  let usage: CompletionUsage | undefined;
  for (const chunk of chunks) {
    if (usage) fail("behind the usage", chunk);
    if (chunk.usage) {
      if (chunk.choices.length > 0) fail("usage beside choices", chunk);
      usage = chunk.usage;
    }
    for (const choice of chunk.choices) {
      if (!choices[choice.index]) {
        if (choice.delta.role !== "assistant") fail("no role at first", choice);
        choices[choice.index] = { content: "", reasoning: "", calls: [], logprobs: [], finish: null };
      } else if ("role" in choice.delta) fail("a second role", choice);
      addDelta(choices[choice.index]!, choice);
    }
  }
  return { choices, usage };
}

function addDelta(folded: FoldedChoice, { delta, logprobs, finish_reason }: ChatCompletionChunk.Choice): void {
  if (folded.finish !== null) fail("behind the end", delta);
  const { reasoning, reasoning_content } = delta as Thoughtful;
  if (reasoning !== reasoning_content) fail("two different thoughts", delta);
  folded.content += delta.content ?? "";
  folded.reasoning += reasoning ?? "";
  for (const call of delta.tool_calls ?? []) {
    if (call.id !== undefined) {
      if (call.index !== folded.calls.length || call.type !== "function" || call.function?.arguments !== "") fail("no first delta", call);
      folded.calls.push({ name: call.function.name ?? fail("no name", call), arguments: "" });
    } else {
      if (call.index !== folded.calls.length - 1 || call.function?.name !== undefined) fail("no later delta", call);
      folded.calls[call.index]!.arguments += call.function?.arguments ?? "";
    }
  }
  folded.logprobs.push(...(logprobs?.content ?? []));
  folded.finish = finish_reason;
}

type Item = Response["output"][number];

/** What its deltas say of a streamed response; `final` is what its last event says. */
export function ofResponseEvents(events: readonly ResponseStreamEvent[]): { readonly folded: unknown; readonly final: unknown } {
  const items: Item[] = [];
  let final: Response | undefined;
  for (const [index, event] of events.entries()) {
    if (event.sequence_number !== index || final) fail("out of order", event);
    if (event.type === "response.output_item.added") {
      if (event.output_index !== items.length) fail("out of place", event);
      items.push(structuredClone(event.item));
    } else if (event.type === "response.output_item.done") {
      if (JSON.stringify(bare(items[event.output_index]!)) !== JSON.stringify(bare(event.item)))
        fail("an item that is not the sum of its deltas", [items[event.output_index], event.item]);
      items[event.output_index] = event.item;
    } else if (event.type === "response.completed" || event.type === "response.incomplete") final = event.response;
    else if ("output_index" in event) addEvent(items[event.output_index]!, event);
  }
  if (!final) fail("no end", events.at(-1));
  // A call that was cut has no end of its own: what a client runs at its end must be whole.
  for (const item of items) if (item.type === "function_call" && item.status === "in_progress") item.status = "incomplete";
  return { folded: ofResponse({ ...final, output: items }), final: ofResponse(final) };
}

function addEvent(item: Item, event: ResponseStreamEvent): void {
  if (event.type === "response.content_part.added" && item.type === "message") {
    if (event.content_index !== item.content.length || event.part.type === "reasoning_text") fail("no part of it", event);
    item.content.push(structuredClone(event.part));
  } else if (event.type === "response.content_part.added" && item.type === "reasoning") {
    if (event.part.type !== "reasoning_text") fail("no part of a thought", event);
    item.content = [...(item.content ?? []), structuredClone(event.part)];
  } else if (event.type === "response.output_text.delta" && item.type === "message") {
    const part = item.content[event.content_index];
    if (part?.type !== "output_text") fail("no text", event);
    part.text += event.delta;
    part.logprobs?.push(...(event.logprobs as NonNullable<typeof part.logprobs>));
  } else if (event.type === "response.reasoning_text.delta" && item.type === "reasoning") {
    item.content![event.content_index]!.text += event.delta;
  } else if (event.type === "response.reasoning_summary_part.added" && item.type === "reasoning") {
    item.summary.push(structuredClone(event.part));
  } else if (event.type === "response.reasoning_summary_text.delta" && item.type === "reasoning") {
    item.summary[event.summary_index]!.text += event.delta;
  } else if (event.type === "response.function_call_arguments.delta" && item.type === "function_call") {
    item.arguments += event.delta;
  } else if (!/\.done$/.test(event.type)) fail(`unexpected in ${item.type}`, event);
}

/** Without what only its end can know. */
function bare(item: Item): unknown {
  const { status: _, ...rest } = item as Item & { status?: string };
  return rest;
}

/** Without what is made anew for each: ids and times. */
export function ofResponse({ output, status, incomplete_details, error, usage }: Response): unknown {
  const items = output.map((item) => {
    const { id: _id, call_id: _call, encrypted_content: _sealed, ...rest } = item as Item & Record<string, unknown>;
    return rest;
  });
  return { output: items, status, incomplete_details, error, usage };
}
