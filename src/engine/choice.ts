/**
 * One answer in the making: its tokens, its text on the way out, its log probabilities, its clock.
 * The loop owns one for each live sequence and asks it what a sampled token means.
 */
import type { FinishReason, GenerationEvent, TokenLogprob } from "../contract/generation.ts";
import type { LlamaContext } from "../llama/context.ts";
import type { LlamaModel } from "../llama/model.ts";
import { tokenLogprob } from "./logprobs.ts";
import type { MarkedVocabulary } from "./markers.ts";
import { type Released, type TextPart, TextStream } from "./text.ts";

/** Where tokens come from: a `Sampler`, or answer-source.ts, which may find that none can follow or that the text is whole. */
export interface TokenSource {
  sample(context: LlamaContext, index: number): number | undefined;
  readonly complete?: boolean;
  /** Tokens that must follow, as far as there is no choice. */
  readonly demanded?: readonly number[];
  /** The text of the last token, where stop strings do not count in all of it. */
  readonly parts?: readonly TextPart[];
  /** Tokens of the thought so far; absent: none is expected. */
  readonly thoughtTokens?: number | undefined;
  free(): void;
}

export interface ChoiceOptions {
  readonly id: number;
  readonly choice: number;
  readonly source: TokenSource;
  /** Which text a token is. */
  readonly vocabulary: Pick<MarkedVocabulary, "piece">;
  readonly stop: readonly string[];
  readonly topLogprobs: number | undefined;
  /** Whether the token that ends it is told with its log probability. */
  readonly tellsEnd?: boolean;
  /** Tokens that end the answer beside those that end every one. */
  readonly ends?: ReadonlySet<number> | undefined;
}

export class Choice {
  readonly id: number;
  readonly choice: number;
  readonly #model: LlamaModel;
  readonly #source: TokenSource;
  readonly #vocabulary: ChoiceOptions["vocabulary"];
  readonly #text: TextStream;
  readonly #topLogprobs: number | undefined;
  readonly #tellsEnd: boolean;
  #end: TokenLogprob | undefined;
  readonly #ends: ReadonlySet<number> | undefined;
  /** Tokens whose text is still held back; if log probabilities are asked for, theirs, and where in the text they begin. */
  #pendingTokens = 0;
  #pending: Array<{ readonly start: number; readonly logprob: TokenLogprob }> = [];
  #completionTokens = 0;
  #cachedTokens = 0;
  readonly #arrivedAt = performance.now();
  #startedAt: number | undefined;
  #firstTokenAt: number | undefined;
  #stopSequence: string | undefined;
  /** No token may follow though the text is not whole. */
  #stuck = false;

  constructor(model: LlamaModel, options: ChoiceOptions) {
    this.id = options.id;
    this.choice = options.choice;
    this.#model = model;
    this.#source = options.source;
    this.#vocabulary = options.vocabulary;
    this.#text = new TextStream(options.stop);
    this.#topLogprobs = options.topLogprobs;
    this.#tellsEnd = options.tellsEnd ?? false;
    this.#ends = options.ends;
  }

  /** The first step that works on it begins; `cachedTokens` of its prompt need not be computed. */
  start(cachedTokens: number): void {
    this.#startedAt ??= performance.now();
    this.#cachedTokens = cachedTokens;
  }

  /** Tokens that must follow because a grammar leaves no choice. */
  get demanded(): readonly number[] {
    return this.#source.demanded ?? [];
  }

  /** Samples from the logits at `index`. `ended`: end of generation, a stop string, or a constraint that lets nothing follow. */
  step(context: LlamaContext, index: number): { token: number; ended: boolean; event?: GenerationEvent } {
    const token = this.#source.sample(context, index);
    this.#firstTokenAt ??= performance.now();
    if (token === undefined) {
      this.#stuck = true;
      return { token: 0, ended: true }; // the sequence is over, so nobody computes it
    }
    if (this.#model.isEndOfGeneration(token) || this.#ends?.has(token)) {
      if (this.#tellsEnd) this.#end = this.#logprob(context, index, token);
      return { token, ended: true };
    }
    this.#completionTokens++;
    this.#pendingTokens++;
    if (this.#topLogprobs !== undefined) this.#pending.push({ start: this.#text.received, logprob: this.#logprob(context, index, token) });
    const { text, stopSequence } = this.#push(token);
    this.#stopSequence = stopSequence;
    const stopped = stopSequence !== undefined;
    const ended = stopped || this.#source.complete === true;
    // The tokens of a stop string are no part of the answer; one that begins before it is.
    if (stopped) this.#pending = this.#pending.filter(({ start }) => start < this.#text.released);
    const event = this.#textEvent(text, stopped);
    return { token, ended, ...(event && { event }) };
  }

  /** The last events: what was held back, unless a stop string ended it, and the reason. */
  finish(reason: FinishReason): GenerationEvent[] {
    const rest = this.#stopSequence === undefined ? this.#flush() : undefined;
    const now = performance.now();
    const startedAt = this.#startedAt ?? now;
    const firstTokenAt = this.#firstTokenAt ?? now;
    const finished: GenerationEvent = {
      type: "finished",
      choice: this.choice,
      reason: this.#stuck ? "length" : this.#stopSequence === undefined ? reason : "stop",
      ...(this.#stopSequence !== undefined && { stopSequence: this.#stopSequence }),
      ...(this.#end && { end: this.#end }),
      completionTokens: this.#completionTokens,
      ...(this.#source.thoughtTokens !== undefined && { reasoningTokens: this.#source.thoughtTokens }),
      cachedTokens: this.#cachedTokens,
      timings: { queueMs: startedAt - this.#arrivedAt, promptMs: firstTokenAt - startedAt, predictedMs: now - firstTokenAt },
    };
    return rest ? [rest, finished] : [finished];
  }

  free(): void {
    this.#source.free();
  }

  #logprob(context: LlamaContext, index: number, token: number): TokenLogprob {
    return tokenLogprob(context.logits(index), token, this.#topLogprobs ?? 0, (id) => this.#vocabulary.piece(id));
  }

  #push(token: number): Released {
    let text = "";
    for (const { bytes, search } of this.#source.parts ?? [{ bytes: this.#vocabulary.piece(token), search: "now" as const }]) {
      const released = this.#text.push(bytes, search);
      text += released.text;
      if (released.stopSequence !== undefined) return { text, stopSequence: released.stopSequence };
    }
    return { text };
  }

  #flush(): GenerationEvent | undefined {
    const { text, stopSequence } = this.#text.flush();
    this.#stopSequence = stopSequence;
    return this.#textEvent(text, true);
  }

  #textEvent(text: string, last = false): GenerationEvent | undefined {
    // While something is held back nobody can say which tokens the text before it was; they report with what completes them.
    const complete = this.#text.heldLength === 0 || last;
    const tokens = complete ? this.#pendingTokens : 0;
    const logprobs = complete ? this.#pending.map(({ logprob }) => logprob) : [];
    if (text === "" && !(last && tokens > 0)) return undefined;
    if (complete) {
      this.#pendingTokens = 0;
      this.#pending = [];
    }
    return { type: "text", choice: this.choice, text, tokens, ...(this.#topLogprobs !== undefined && { logprobs }) };
  }
}
