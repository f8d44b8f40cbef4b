/**
 * Text as an engine sends it → thoughts, calls of tools and text, for chats whose answers hold more than text. Called by pool.ts, with the
 * plan that was made when the prompt was rendered. Tokens and their log probabilities go with what came of their text: each is told once.
 */
import type { AnswerPiece, AnswerReader } from "../chat/answer/format.ts";
import type { AnswerPlan } from "../chat/answer/plan.ts";
import type { FinishReason, GenerationEvent, TokenLogprob } from "../contract/generation.ts";

type TextEvent = Extract<GenerationEvent, { type: "text" }>;
type FinishedEvent = Extract<GenerationEvent, { type: "finished" }>;

export async function* readAnswers(
  events: AsyncIterable<GenerationEvent>,
  { reader, thinks }: AnswerPlan,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const answers = new Map<number, ChoiceAnswer>();
  for await (const event of events) {
    if (!reader || (event.type !== "text" && event.type !== "finished")) {
      yield event;
      continue;
    }
    const answer = answers.get(event.choice) ?? new ChoiceAnswer(event.choice, reader(), thinks);
    answers.set(event.choice, answer);
    yield* event.type === "text" ? answer.read(event) : answer.finish(event);
  }
}

type Kind = "text" | "reasoning" | "toolCall";

/** A piece that can be told: one event. */
type Told = { readonly type: "text" | "reasoning"; readonly text: string } | Call;
interface Call {
  readonly type: "toolCall";
  readonly call: number;
  readonly id?: string;
  readonly name?: string;
  readonly arguments: string;
}

/** One choice on its way. */
class ChoiceAnswer {
  readonly #choice: number;
  readonly #reader: AnswerReader;
  readonly #thinks: boolean;
  /** Tokens whose text has told nothing yet. */
  #tokens = 0;
  #logprobs: TokenLogprob[] | undefined;
  /** What came last, marks of it included. */
  #kind: Kind | undefined;
  #calls = 0;
  /** The one that was told of last. */
  #call = 0;
  #whole = 0;
  #reasoningTokens = 0;

  constructor(choice: number, reader: AnswerReader, thinks: boolean) {
    this.#choice = choice;
    this.#reader = reader;
    this.#thinks = thinks;
  }

  *read({ text, tokens, logprobs }: TextEvent): Generator<GenerationEvent> {
    const told = this.#told(this.#reader.push(text));
    const [first, ...others] = told;
    // Marks between two kinds belong to what they close; those of a call to the call.
    if (first && this.#kind && first.type !== this.#kind && first.type !== "toolCall") yield* this.#rest();
    this.#tokens += tokens;
    if (logprobs) this.#logprobs = [...(this.#logprobs ?? []), ...logprobs];
    if (first) yield this.#event(first);
    for (const other of others) yield this.#event(other);
  }

  *finish(event: FinishedEvent): Generator<GenerationEvent> {
    for (const each of this.#told(this.#reader.end())) yield this.#event(each);
    yield* this.#rest();
    // The engine has counted those of the marks it knew.
    const reasoningTokens = event.reasoningTokens || this.#reasoningTokens;
    yield { ...event, reason: this.#reason(event.reason), ...(this.#thinks && { reasoningTokens }) };
  }

  #reason(reason: FinishReason): FinishReason {
    if (reason !== "stop" || this.#calls === 0) return reason;
    return this.#whole === this.#calls ? "tool_calls" : "length";
  }

  /** What there is to tell of these; neighbours of one kind are one. */
  #told(pieces: readonly AnswerPiece[]): Told[] {
    const told: Told[] = [];
    for (const piece of pieces) {
      if (piece.kind === "end") this.#whole++;
      const next = this.#toldOf(piece);
      if (!next) continue;
      const last = told.at(-1);
      if (last && last.type !== "toolCall" && next.type === last.type) told[told.length - 1] = { ...last, text: last.text + next.text };
      else told.push(next);
    }
    return told;
  }

  #toldOf(piece: AnswerPiece): Told | undefined {
    switch (piece.kind) {
      case "call":
        return { type: "toolCall", call: this.#calls++, id: piece.id, name: piece.name, arguments: "" };
      case "arguments":
        return piece.text === "" ? undefined : { type: "toolCall", call: this.#calls - 1, arguments: piece.text };
      case "end":
        return undefined;
      default:
        // A thought begins here, of which nothing was told yet.
        if (piece.text === "" && piece.kind === "reasoning") this.#kind ??= "reasoning";
        return piece.text === "" ? undefined : { type: piece.kind, text: piece.text };
    }
  }

  /** Tokens whose text has told nothing, with what came last. */
  *#rest(): Generator<GenerationEvent> {
    if (this.#tokens === 0 && !this.#logprobs?.length) return;
    const type = this.#kind ?? "text";
    yield this.#event(type === "toolCall" ? { type, call: this.#call, arguments: "" } : { type, text: "" });
  }

  #event(told: Told): GenerationEvent {
    const tokens = this.#tokens;
    const logprobs = this.#logprobs;
    this.#tokens = 0;
    if (logprobs) this.#logprobs = [];
    this.#kind = told.type;
    if (told.type === "toolCall") this.#call = told.call;
    if (told.type === "reasoning") this.#reasoningTokens += tokens;
    return { ...told, choice: this.#choice, tokens, ...(logprobs && { logprobs }) };
  }
}
