/**
 * Where the tokens of an answer come from that has a constraint or may have a thought: draws, lets the state of the answer judge the
 * token, and draws again where it must. Made by loop.ts for each choice, asked by choice.ts.
 *
 * The request's own chain draws freely, the winner alone is tested, and only a refused winner makes the grammar look at other tokens.
 * The distribution is llama.cpp's (common_sampler_sample in common/sampling.cpp does the same): an allowed winner stays, a refused
 * one is drawn again from the allowed tokens. Without truncation (top_k, top_p, min_p) that is exactly the constrained
 * distribution: p(t) + p(refused) · p(t)/p(allowed) = p(t)/p(allowed). With truncation the two draws truncate different sets, all
 * tokens or the allowed ones, and the result is a mixture of the two constrained distributions. The generator of random numbers
 * goes on between the draws: drawn again from the same state, the second draw would be tied to the first.
 */
import type { Candidates } from "../llama/candidates.ts";
import type { LlamaContext } from "../llama/context.ts";
import type { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import type { Sampler } from "../llama/sampler.ts";
import { type AnswerRules, AnswerState } from "./answer-state.ts";
import type { TokenSource } from "./choice.ts";
import type { Constraints } from "./constraints.ts";
import { GrammarText } from "./grammar-text.ts";
import type { GenerateMessage } from "./ipc.ts";
import { MarkedVocabulary } from "./markers.ts";
import type { TextPart } from "./text.ts";

/** Sources for the choices of one request. `constraints`: given where the request has a constraint. */
export class AnswerSources {
  /** As the text of the answers shows it. */
  readonly vocabulary: MarkedVocabulary;
  readonly #model: LlamaModel;
  readonly #constraints: Constraints | undefined;
  readonly #message: Pick<GenerateMessage, "thought" | "constraint">;
  readonly #grammar: SharedGrammar | undefined;

  /**
   * @param compiled the grammar of the message, if it is compiled already; taken over
   * @throws invalid_value when libllama cannot use the grammar
   */
  constructor(
    model: LlamaModel,
    message: Pick<GenerateMessage, "thought" | "constraint" | "markers">,
    constraints: Constraints | undefined,
    compiled?: Grammar,
  ) {
    const { thought, constraint, markers = [] } = message;
    this.#model = model;
    this.#message = message;
    this.#constraints = message.constraint && constraints;
    // Marks and triggers are texts of the answer whether they are listed or not.
    const marks = [...markers, ...(thought ? [thought.open, thought.close] : []), ...(constraint?.triggers ?? []).map(({ text }) => text)];
    this.vocabulary = new MarkedVocabulary(model, marks);
    const grammar = compiled ?? (constraint && this.#constraints?.compile(constraint.gbnf));
    this.#grammar = grammar && new SharedGrammar(grammar);
  }

  /** Takes over the sampler: what it returns frees it. */
  next(sampler: Sampler): TokenSource {
    const { thought, constraint } = this.#message;
    if (!thought && !constraint) return sampler;
    const grammar = this.#grammar?.share();
    const { triggers = [], once = false, calls = false } = constraint ?? {};
    const begin = () => new GrammarText(this.#constraints!, this.vocabulary, grammar!.begin());
    const rules: AnswerRules<GrammarText> = {
      thought,
      closing: () => this.vocabulary.write(Buffer.from(thought!.closing)),
      constraint: grammar && { begin, triggers, once, calls },
    };
    const parts = { model: this.#model, vocabulary: this.vocabulary, constraints: this.#constraints, sampler, rules };
    return new AnswerSource(parts, () => grammar?.free());
  }

  free(): void {
    this.#grammar?.free();
  }
}

/** A grammar that is compiled once for all choices of a request: the last who is done with it frees it. */
class SharedGrammar {
  readonly #grammar: Grammar;
  #users = 1;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  share(): this {
    this.#users++;
    return this;
  }

  begin(): Grammar {
    return this.#grammar.clone();
  }

  free(): void {
    if (--this.#users === 0) this.#grammar.free();
  }
}

interface Parts {
  readonly model: LlamaModel;
  readonly vocabulary: MarkedVocabulary;
  readonly constraints: Constraints | undefined;
  readonly sampler: Sampler;
  readonly rules: AnswerRules<GrammarText>;
}

class AnswerSource implements TokenSource {
  readonly #model: LlamaModel;
  readonly #vocabulary: MarkedVocabulary;
  readonly #constraints: Constraints | undefined;
  readonly #sampler: Sampler;
  readonly #rules: AnswerRules<GrammarText>;
  /** Made with the first token: grammars of tools take megabytes, and whoever waits in the queue needs none. */
  #begun: AnswerState<GrammarText> | undefined;
  readonly #onFree: () => void;
  /** Of the last token. */
  parts: readonly TextPart[] = [];

  constructor({ model, vocabulary, constraints, sampler, rules }: Parts, onFree: () => void) {
    this.#model = model;
    this.#vocabulary = vocabulary;
    this.#constraints = constraints;
    this.#sampler = sampler;
    this.#rules = rules;
    this.#onFree = onFree;
  }

  get #state(): AnswerState<GrammarText> {
    this.#begun ??= new AnswerState(this.#rules);
    return this.#begun;
  }

  /** Draws the next token from the logits at this index; undefined when no token of the vocabulary may follow. */
  sample(context: LlamaContext, index: number): number | undefined {
    const [forced] = this.#state.forced;
    // Without a constraint no token is refused: the chain may remember what it draws.
    if (forced === undefined && !this.#constraints) return this.#judged(this.#sampler.sample(context, index));
    const token = forced === undefined ? this.#draw(context, index, this.#constraints!.candidates) : this.#judged(forced);
    if (token !== undefined) this.#sampler.remember(token);
    return token;
  }

  /** Tokens that must follow: what closes a thought, or what a grammar leaves no choice about. */
  get demanded(): readonly number[] {
    const { forced, held } = this.#state;
    return forced.length > 0 ? forced : (held?.demanded ?? []);
  }

  get complete(): boolean {
    return this.#state.ended;
  }

  get thoughtTokens(): number | undefined {
    return this.#state.thoughtTokens;
  }

  free(): void {
    this.#begun?.free();
    this.#sampler.free();
    this.#onFree();
  }

  #take(token: number): boolean {
    if (!this.#model.isToken(token)) return false;
    const parts = this.#state.take({ token, bytes: this.#vocabulary.piece(token), ends: this.#model.isEndOfGeneration(token) });
    if (parts) this.parts = parts;
    return parts !== undefined;
  }

  #judged(token: number): number | undefined {
    return this.#take(token) ? token : undefined;
  }

  #draw(context: LlamaContext, index: number, candidates: Candidates): number | undefined {
    const { held } = this.#state;
    const [demanded] = held?.demanded ?? [];
    if (demanded !== undefined && this.#take(demanded)) return demanded;
    const refused = new Set<number>();
    // Mirostat learns from each draw, also from one that is refused: under a grammar it draws from the allowed tokens only.
    if (!held || !this.#sampler.adapts) {
      const token = this.#sampler.draw(context, index, candidates);
      if (this.#take(token)) return token;
      if (this.#model.isEndOfGeneration(token) && this.#state.endThought()) return this.#judged(this.#state.forced[0]!);
      refused.add(token);
    }
    const logits = context.logits(index);
    return this.#drawFrom(this.#possible(logits, refused), logits, candidates);
  }

  #drawFrom(tokens: readonly number[], logits: Float32Array, candidates: Candidates): number | undefined {
    for (let left = tokens; left.length > 0; ) {
      candidates.fill(left, logits);
      const token = this.#sampler.drawFrom(candidates);
      if (this.#take(token)) return token;
      left = left.filter((id) => id !== token);
    }
    return undefined;
  }

  /** The tokens that may follow, and perhaps some more. */
  #possible(logits: Float32Array, refused: ReadonlySet<number>): number[] {
    const { held, strict, possible } = this.#state;
    // Text that is free, where only a token was refused that goes on wrongly behind a trigger or a thought.
    if (!held && !strict) return Array.from(logits.keys()).filter((token) => !refused.has(token));
    const allowed = possible?.candidates(logits, this.#sampler.reach) ?? [];
    if (held) return allowed;
    return [...new Set([...allowed, ...this.#opening()])];
  }

  /** Tokens that spell the mark of a thought. */
  #opening(): number[] {
    const { forest } = this.#constraints!;
    const opens = (token: number) => this.#state.opens(this.#vocabulary.piece(token));
    const spelled = forest.select((tokens) => tokens.filter(opens), forest.roots.filter(opens));
    return [...spelled, ...this.#vocabulary.markers.map(({ token }) => token).filter(opens)];
  }
}
