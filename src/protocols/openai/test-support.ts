/** Calls, models and events for the tests of this room; imported by tests only. */
import fc from "fast-check";
import { ShimmyError } from "../../contract/errors.ts";
import type { GenerationEvent, ResolvedModel, TokenLogprob } from "../../contract/generation.ts";
import type { ModelInfo } from "../../contract/model.ts";
import type { DecodeContext } from "../protocol.ts";

export const CONTEXT: DecodeContext = { requestId: "r1", now: 1_700_000_000_900, defaults: {} };

export const INFO: ModelInfo = {
  id: 'tiny "q8"',
  path: "/secret/dir/tiny.gguf",
  source: "/secret/dir",
  sizeBytes: 3_000_000,
  modifiedMs: 1_600_000_000_500,
  architecture: "llama",
  family: "llama",
  parameters: 2_500_000,
  quantization: "Q8_0",
  contextLength: 4096,
  generative: true,
  kvBytesPerToken: 128,
};
export const MODEL: ResolvedModel = { info: INFO, via: "exact" };

export const started = (promptTokens = 7): GenerationEvent => ({ type: "started", promptTokens });

export const text = (piece: string, choice = 0, logprobs?: readonly TokenLogprob[]): GenerationEvent => ({
  type: "text",
  choice,
  text: piece,
  tokens: logprobs?.length ?? 1,
  ...(logprobs && { logprobs }),
});

export const reasoning = (piece: string, choice = 0, tokens = 1): GenerationEvent => ({ type: "reasoning", choice, text: piece, tokens });

/** A call as the generator tells it: its opening, then its arguments in these fragments. */
export const toolCall = (name: string, fragments: readonly string[], call = 0, choice = 0): GenerationEvent[] => [
  { type: "toolCall", choice, call, id: `call_${choice}${call}`, name, arguments: "", tokens: 1 },
  ...fragments.map((text): GenerationEvent => ({ type: "toolCall", choice, call, arguments: text, tokens: 1 })),
];

export const finished = (choice = 0, more: Partial<GenerationEvent & { type: "finished" }> = {}): GenerationEvent => ({
  type: "finished",
  choice,
  reason: "stop",
  completionTokens: 2,
  cachedTokens: 3,
  timings: { queueMs: 1, promptMs: 40, predictedMs: 500 },
  ...more,
});

export const progress = (processed: number, choice = 0): GenerationEvent => ({
  type: "progress",
  choice,
  total: 7,
  cached: 2,
  processed,
  ms: 12.4,
});

/** A token as the engine reports it, with itself as its only alternative. */
export function token(piece: string | Uint8Array, logprob = -0.5): TokenLogprob {
  const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
  return { token: 1, bytes, logprob, top: [{ token: 1, bytes, logprob }] };
}

export async function* play(events: readonly GenerationEvent[]): AsyncGenerator<GenerationEvent> {
  yield* events;
}

/** The frames of a stream, and what they hold but for the end mark. */
export async function readFrames<Chunk>(stream: AsyncIterable<string>): Promise<{ frames: string[]; chunks: Chunk[] }> {
  const frames: string[] = [];
  for await (const frame of stream) frames.push(frame);
  const chunks = frames.filter((frame) => frame !== "data: [DONE]\n\n").map((frame) => JSON.parse(frame.slice("data: ".length)) as Chunk);
  return { frames, chunks };
}

/** What a decoder throws for a bad body. */
export function refusal(decode: () => unknown): { param: string | undefined; reason: unknown; code: string } {
  try {
    decode();
  } catch (error) {
    if (error instanceof ShimmyError) return { param: error.param, reason: error.details.reason, code: error.code };
    throw error;
  }
  throw new Error("The body was accepted");
}

const logprobs = fc.array(
  fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }), logprob: fc.constantFrom(-0.5, -3, Number.NEGATIVE_INFINITY) }),
  { maxLength: 2 },
);

/** Any order a generator may give: pieces of the choices mixed, each choice ended once, after its last piece. */
export const anyEvents = fc
  .record({ choices: fc.integer({ min: 1, max: 3 }), seed: fc.infiniteStream(fc.nat(1000)) })
  .chain(({ choices, seed }) =>
    fc
      .array(fc.record({ choice: fc.nat(choices - 1), piece: fc.string({ unit: "grapheme" }), tokens: logprobs }), { maxLength: 30 })
      .map((pieces) => ({ choices, events: mixed(choices, pieces, seed) })),
  );

type Piece = { choice: number; piece: string; tokens: readonly { bytes: Uint8Array; logprob: number }[] };

function mixed(choices: number, pieces: readonly Piece[], seed: Iterator<number>): GenerationEvent[] {
  const events = pieces.map(({ choice, piece, tokens }) =>
    text(
      piece,
      choice,
      tokens.map(({ bytes, logprob }) => token(bytes, logprob)),
    ),
  );
  for (let choice = 0; choice < choices; choice++) {
    const last = events.findLastIndex((event) => event.type === "text" && event.choice === choice);
    const at = last + 1 + (seed.next().value % (events.length - last));
    const reason = seed.next().value % 2 ? "stop" : "length";
    events.splice(at, 0, finished(choice, { reason, completionTokens: seed.next().value, cachedTokens: choice }));
  }
  return [started(), ...events];
}

const pieces = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 });
const cutArguments = fc.record({ json: fc.json(), size: fc.integer({ min: 1, max: 5 }) }).map(({ json, size }) => cut(json, size));
const ownCall = fc.record({ name: fc.stringMatching(/^[\w.-]{1,64}$/), fragments: cutArguments });

/** What one choice of a chat may say: a thought, text and calls in any order, and how it ended. */
const ownEvents = fc.record({
  thought: pieces,
  parts: fc.array(fc.oneof(pieces, ownCall), { maxLength: 4 }),
  tokens: logprobs,
  cutShort: fc.boolean(),
  reasoningTokens: fc.option(fc.nat(9), { nil: undefined }),
});

/** Chats with thoughts and calls: one to three choices, whose events come in any order between each other. */
export const anyChatEvents = fc
  .record({ own: fc.array(ownEvents, { minLength: 1, maxLength: 3 }), seed: fc.infiniteStream(fc.nat(1000)) })
  .map(({ own, seed }) => {
    const waiting = own.map(eventsOfChoice);
    const events: GenerationEvent[] = [started()];
    while (waiting.some((list) => list.length > 0)) {
      const event = waiting[seed.next().value % waiting.length]!.shift();
      if (event) events.push(event);
    }
    return { choices: own.length, events };
  });

function eventsOfChoice(
  { thought, parts, tokens, cutShort, reasoningTokens }: typeof ownEvents extends fc.Arbitrary<infer T> ? T : never,
  choice: number,
): GenerationEvent[] {
  let calls = 0;
  const said = parts.flatMap((part) => {
    if (!Array.isArray(part)) return toolCall(part.name, part.fragments, calls++, choice);
    return part.map((piece) =>
      text(
        piece,
        choice,
        tokens.map(({ bytes, logprob }) => token(bytes, logprob)),
      ),
    );
  });
  const reason = cutShort ? "length" : calls > 0 ? "tool_calls" : "stop";
  const end = finished(choice, { reason, cachedTokens: choice, ...(reasoningTokens !== undefined && { reasoningTokens }) });
  return [...thought.map((piece) => reasoning(piece, choice)), ...said, end];
}

function cut(whole: string, size: number): string[] {
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, index) => whole.slice(index * size, (index + 1) * size));
}
