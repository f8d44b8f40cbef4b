/**
 * Events → server-sent events, for both endpoints: the order of chunks, usage, timings and the end mark.
 * The hot path: hundreds of chunks a second on a core shared with the engine, so a chunk of text, of a thought or of a call's arguments
 * is one concatenation. It must not know what a choice of an endpoint looks like.
 *
 *     started            progress …      reasoning …  text …  toolCall …   finished, each choice    end of events
 *     opening × choices  [progress] …    a chunk each                      closing                  [usage]  [DONE]
 */
import type { CompletionUsage } from "openai/resources/completions";
import type { FinishReason, GenerationEvent, TokenLogprob } from "../../contract/generation.ts";
import { choicesOf, type OpenAICall } from "./request.ts";
import { Tally, type WireTimings } from "./tally.ts";

/** How an endpoint writes its chunks. A piece of text stands in its JSON as the last string that may be empty. */
export interface ChunkWriter<Choice> {
  readonly head: object;
  /** What a choice opens with, before any token; absent: nothing. */
  opening(choice: number): Choice | undefined;
  /** `logprobs` absent: not asked for. */
  text(choice: number, text: string, logprobs?: readonly TokenLogprob[]): Choice;
  /** The prompt repeated with its log probabilities; absent: never asked for. */
  prompt?(choice: number, tokens: readonly TokenLogprob[]): Choice;
  /** Absent: thoughts are not told. The piece stands in it twice, under both names that clients read. */
  reasoning?(choice: number, text: string): Choice;
  /** Absent: the endpoint has no calls. Undefined: this one is not told. */
  call?(event: ToolCallEvent): Choice | undefined;
  /** A further fragment of the arguments of a call that was told. */
  callArguments?(choice: number, call: number, fragment: string): Choice | undefined;
  /** `end`: the token that ended it, where its log probability is told. */
  closing(choice: number, reason: FinishReason, end?: TokenLogprob): Choice;
}

export type ToolCallEvent = GenerationEvent & { readonly type: "toolCall" };

interface Extras {
  usage?: CompletionUsage | null;
  timings?: WireTimings;
  prompt_progress?: WireProgress;
}

/** llama.cpp's, of tools/server/README.md: tokens of the prompt, of these cached, of these in the cache now; milliseconds. */
export interface WireProgress {
  total: number;
  cache: number;
  processed: number;
  time_ms: number;
}

const DONE = "data: [DONE]\n\n";

/** @throws internal when the events ended too early, and whatever `events` throws. */
export async function* streamFrames<Choice>(
  call: OpenAICall,
  writer: ChunkWriter<Choice>,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<string, void, undefined> {
  const choices = choicesOf(call);
  const tally = new Tally(choices, call.request.choices);
  let opened = false;
  const usual = (): Extras => {
    if (call.continuousUsage) return { usage: tally.usageSoFar() };
    return call.includeUsage ? { usage: null } : {};
  };
  const frame = (pieces: readonly Choice[], extras: Extras = usual()) =>
    `data: ${JSON.stringify({ ...writer.head, choices: pieces, ...extras })}\n\n`;
  const piece = pieceFrames(call, writer, frame);

  for await (const event of events) {
    tally.add(event);
    switch (event.type) {
      case "started":
        // Of several prompts the first that starts opens all.
        if (!opened) for (const opening of openings(choices, writer)) yield frame([opening]);
        opened = true;
        break;
      case "prompt":
        if (writer.prompt) yield frame([writer.prompt(event.choice, event.tokens)]);
        break;
      case "progress": {
        const { total, cached: cache, processed, ms } = event;
        // As a piece of text without any: clients that do not know the field read on.
        const progress = { prompt_progress: { total, cache, processed, time_ms: Math.round(ms) } };
        yield frame([writer.text(event.choice, "")], { ...usual(), ...progress });
        break;
      }
      case "text":
      case "reasoning":
      case "toolCall": {
        const next = piece(event);
        if (next !== undefined) yield next;
        break;
      }
      case "finished": {
        // llama.cpp puts its timings on the very last chunk, which is the one of usage where that was asked for.
        const timings = tally.complete && !call.includeUsage ? { timings: tally.timings() } : {};
        yield frame([writer.closing(event.choice, event.reason, event.end)], { ...usual(), ...timings });
        break;
      }
    }
  }
  tally.requireComplete();
  if (call.includeUsage) yield frame([], { usage: tally.usage(), timings: tally.timings() });
  yield DONE;
}

function openings<Choice>(choices: number, writer: ChunkWriter<Choice>): Choice[] {
  return Array.from({ length: choices }, (_, choice) => writer.opening(choice)).filter((opening) => opening !== undefined);
}

type Piece = GenerationEvent & { readonly type: "text" | "reasoning" | "toolCall" };

/** The frame of a piece of an answer; undefined: there is nothing to tell of it. */
function pieceFrames<Choice>(call: OpenAICall, writer: ChunkWriter<Choice>, frame: (choices: readonly Choice[]) => string) {
  const { topLogprobs } = call.request;
  const choices = choicesOf(call);
  // With usage on every chunk no frame is like the one before.
  const keep = !call.continuousUsage;
  const filled = (places: 1 | 2, empty: (choice: number, call: number) => Choice | undefined) => {
    const cuts = new Map<number, (text: string) => string>();
    return (text: string, choice: number, index = 0): string | undefined => {
      if (text === "") return undefined;
      const key = index * choices + choice;
      const known = cuts.get(key);
      if (known) return known(text);
      const without = empty(choice, index);
      if (without === undefined) return undefined;
      const cut = cutFrame(frame([without]), places);
      if (keep) cuts.set(key, cut);
      return cut(text);
    };
  };
  const text = filled(1, (choice) => writer.text(choice, ""));
  const reasoning = filled(2, (choice) => writer.reasoning?.(choice, ""));
  const callArguments = filled(1, (choice, index) => writer.callArguments?.(choice, index, ""));
  return (event: Piece): string | undefined => {
    if (event.type === "reasoning") return reasoning(event.text, event.choice);
    if (event.type === "toolCall") {
      if (event.id === undefined) return callArguments(event.arguments, event.choice, event.call);
      const opened = writer.call?.(event);
      return opened && frame([opened]);
    }
    if (topLogprobs === undefined) return text(event.text, event.choice);
    const { logprobs = [] } = event;
    return event.text === "" && logprobs.length === 0 ? undefined : frame([writer.text(event.choice, event.text, logprobs)]);
  };
}

/** Cuts a frame of an empty text where that text stands, so that only the text itself is turned into JSON. */
function cutFrame(frame: string, places: 1 | 2): (text: string) => string {
  const last = frame.lastIndexOf('""');
  const after = frame.slice(last + 2);
  if (places === 1) {
    const before = frame.slice(0, last);
    return (text) => before + JSON.stringify(text) + after;
  }
  const first = frame.lastIndexOf('""', last - 1);
  const before = frame.slice(0, first);
  const between = frame.slice(first + 2, last);
  return (text) => {
    const json = JSON.stringify(text);
    return before + json + between + json + after;
  };
}
