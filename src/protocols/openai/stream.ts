/**
 * Events → server-sent events, for both endpoints: the order of chunks, usage, timings and the end mark.
 * The hot path: hundreds of chunks a second on a core shared with the engine, so a text chunk is one concatenation.
 * It must not know what a choice of an endpoint looks like.
 *
 *     started            progress …      text …        finished, each choice    end of events
 *     opening × choices  [progress] …    text chunk …  closing                  [usage]  [DONE]
 */
import type { CompletionUsage } from "openai/resources/completions";
import type { FinishReason, GenerationEvent, TokenLogprob } from "../../contract/generation.ts";
import type { OpenAICall } from "./request.ts";
import { Tally, type WireTimings } from "./tally.ts";

/** How an endpoint writes its chunks. `text` must be written with its text as the last empty string of the JSON. */
export interface ChunkWriter<Choice> {
  readonly head: object;
  /** What a choice opens with, before any token; absent: nothing. */
  opening(choice: number): Choice | undefined;
  /** `logprobs` absent: not asked for. */
  text(choice: number, text: string, logprobs?: readonly TokenLogprob[]): Choice;
  closing(choice: number, reason: FinishReason): Choice;
}

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

type TextFrame = (event: GenerationEvent & { readonly type: "text" }) => string;

const DONE = "data: [DONE]\n\n";

/** @throws internal when the events ended too early, and whatever `events` throws. */
export async function* streamFrames<Choice>(
  call: OpenAICall,
  writer: ChunkWriter<Choice>,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<string, void, undefined> {
  const tally = new Tally(call.request.choices);
  const usual = (): Extras => {
    if (call.continuousUsage) return { usage: tally.usageSoFar() };
    return call.includeUsage ? { usage: null } : {};
  };
  const frame = (choices: readonly Choice[], extras: Extras = usual()) =>
    `data: ${JSON.stringify({ ...writer.head, choices, ...extras })}\n\n`;
  const needsWholeChunk = call.continuousUsage || call.request.topLogprobs !== undefined;
  const wholeText: TextFrame = ({ choice, text, logprobs }) =>
    frame([call.request.topLogprobs === undefined ? writer.text(choice, text) : writer.text(choice, text, logprobs ?? [])]);
  const textFrame = needsWholeChunk ? wholeText : cutTextFrames(call.request.choices, wholeText);

  for await (const event of events) {
    tally.add(event);
    switch (event.type) {
      case "started":
        for (const opening of openings(call.request.choices, writer)) yield frame([opening]);
        break;
      case "progress": {
        const { total, cached: cache, processed, ms } = event;
        // As a piece of text without any: clients that do not know the field read on.
        const progress = { prompt_progress: { total, cache, processed, time_ms: Math.round(ms) } };
        yield frame([writer.text(event.choice, "")], { ...usual(), ...progress });
        break;
      }
      case "text":
        if (event.text !== "" || event.logprobs?.length) yield textFrame(event);
        break;
      case "finished": {
        // llama.cpp puts its timings on the very last chunk, which is the one of usage where that was asked for.
        const timings = tally.complete && !call.includeUsage ? { timings: tally.timings() } : {};
        yield frame([writer.closing(event.choice, event.reason)], { ...usual(), ...timings });
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

/** Cuts the frame of an empty text at that text, for each choice; then only the text itself is turned into JSON. */
function cutTextFrames(choices: number, wholeText: TextFrame): TextFrame {
  const cuts = Array.from({ length: choices }, (_, choice) => {
    const frame = wholeText({ type: "text", choice, text: "", tokens: 0 });
    const at = frame.lastIndexOf('""');
    return { before: frame.slice(0, at), after: frame.slice(at + 2) };
  });
  return ({ choice, text }) => cuts[choice]!.before + JSON.stringify(text) + cuts[choice]!.after;
}
