/**
 * Events → chat completions, whole and as chunks. Called through the `Protocol` in ../index.ts.
 * The literals are checked against the types of OpenAI's client. Log probabilities are those of the text alone: their tokens, joined, are
 * the content; thoughts and calls have no list of their own there.
 */
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionMessage } from "openai/resources/chat/completions";
import type { GenerationEvent, ResolvedModel } from "../../../contract/generation.ts";
import { collect, headOf, type WholeCall, type WholeChoice } from "../answer.ts";
import { chatLogprobs } from "../logprobs.ts";
import { type ChunkWriter, streamFrames } from "../stream.ts";
import { finishReason, type WireTimings } from "../tally.ts";
import type { ChatCall } from "./decode.ts";

/** A thought has two names among clients: DeepSeek's and OpenRouter's. */
interface Reasoning {
  reasoning_content?: string;
  reasoning?: string;
}

export async function encodeWholeChat(call: ChatCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { choices, tally } = await collect(call.request.choices, events);
  return {
    ...headOf(call, model, "chat.completion"),
    choices: choices.map((choice, index) => wholeChoice(call, choice, index)),
    usage: tally.usage(),
    timings: tally.timings(),
  } satisfies ChatCompletion & { timings: WireTimings };
}

function wholeChoice(call: ChatCall, choice: WholeChoice, index: number): ChatCompletion.Choice {
  const { calls, logprobs, reason } = choice;
  return {
    index,
    message: wholeMessage(call, choice),
    logprobs: call.request.topLogprobs === undefined ? null : chatLogprobs(logprobs),
    finish_reason: finishReason(reason, calls.length > 0 ? callsReason(call) : undefined),
  };
}

function wholeMessage(call: ChatCall, { text, reasoning, calls }: WholeChoice): ChatCompletionMessage & Reasoning {
  const [first] = calls;
  return {
    role: "assistant",
    content: text === "" && first ? null : text,
    refusal: null,
    ...(reasoning !== "" && !call.hidesReasoning && { reasoning_content: reasoning, reasoning }),
    ...(first && (call.legacyFunctions ? { function_call: functionOf(first) } : { tool_calls: calls.map(wholeCall) })),
  };
}

function wholeCall(call: WholeCall) {
  return { id: call.id, type: "function" as const, function: functionOf(call) };
}

function functionOf({ name, arguments: text }: WholeCall) {
  return { name, arguments: text };
}

function callsReason({ legacyFunctions }: ChatCall): "tool_calls" | "function_call" {
  return legacyFunctions ? "function_call" : "tool_calls";
}

type Delta = ChatCompletionChunk.Choice.Delta & Reasoning;
interface Choice extends ChatCompletionChunk.Choice {
  delta: Delta;
}

export function encodeStreamChat(call: ChatCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>): AsyncIterable<string> {
  const called = new Set<number>();
  const chunk = (index: number, delta: Delta): Choice => ({ index, delta, finish_reason: null });
  const writer: ChunkWriter<Choice> = {
    head: headOf(call, model, "chat.completion.chunk") satisfies Omit<ChatCompletionChunk, "choices">,
    opening: (index) => chunk(index, { role: "assistant", content: "" }),
    text: (index, content, logprobs) => ({
      index,
      delta: { content },
      ...(logprobs && { logprobs: chatLogprobs(logprobs) }),
      finish_reason: null,
    }),
    ...(!call.hidesReasoning && { reasoning: (index, text) => chunk(index, { reasoning_content: text, reasoning: text }) }),
    ...callWriter(call, chunk, called),
    closing: (index, reason) => ({
      index,
      delta: {},
      finish_reason: finishReason(reason, called.has(index) ? callsReason(call) : undefined),
    }),
  };
  return streamFrames(call, writer, events);
}

/** @param called gets the choices that have called something */
function callWriter(
  { legacyFunctions }: ChatCall,
  chunk: (index: number, delta: Delta) => Choice,
  called: Set<number>,
): Required<Pick<ChunkWriter<Choice>, "call" | "callArguments">> {
  return {
    call: ({ choice, call: index, id, name, arguments: text }) => {
      called.add(choice);
      const opened = { ...(name !== undefined && { name }), arguments: text };
      if (legacyFunctions) return index === 0 ? chunk(choice, { function_call: opened }) : undefined;
      return chunk(choice, { tool_calls: [{ index, ...(id !== undefined && { id }), type: "function", function: opened }] });
    },
    callArguments: (choice, index, fragment) => {
      if (legacyFunctions) return index === 0 ? chunk(choice, { function_call: { arguments: fragment } }) : undefined;
      return chunk(choice, { tool_calls: [{ index, function: { arguments: fragment } }] });
    },
  };
}
