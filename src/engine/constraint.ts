/**
 * Sampling under a grammar, at nearly the cost of free sampling. Where the grammar leaves no choice the text is taken as the tokenizer
 * cuts it, without a draw. Else the request's own chain draws freely, the winner alone is tested, and only a refused winner makes the
 * grammar look at other tokens. Owned by choice.ts, one for each constrained answer.
 *
 * The distribution is llama.cpp's (common_sampler_sample in common/sampling.cpp does the same): an allowed winner stays, a refused
 * one is drawn again from the allowed tokens. Without truncation (top_k, top_p, min_p) that is exactly the constrained
 * distribution: p(t) + p(refused) · p(t)/p(allowed) = p(t)/p(allowed). With truncation the two draws truncate different sets, all
 * tokens or the allowed ones, and the result is a mixture of the two constrained distributions. The generator of random numbers
 * goes on between the draws: drawn again from the same state, the second draw would be tied to the first.
 */
import { ShimmyError } from "../contract/errors.ts";
import { Candidates } from "../llama/candidates.ts";
import type { LlamaContext } from "../llama/context.ts";
import { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import type { Sampler } from "../llama/sampler.ts";
import { TokenForest } from "./token-forest.ts";
import { BETWEEN_CHARACTERS, continueUtf8, type Utf8State } from "./utf8.ts";

/** The likeliest tokens, of which enough may be allowed. */
const LIKELIEST = 128;
/** A grammar that lets more than this share of the first characters pass is asked about all tokens at once. */
const FEW_ROOTS = 0.25;

const SLOW_MS = 5;
const PREPARING_MS = 6;
/** How often the grammar must have been slow. A pause of another program happens once. */
const SLOW_TIMES = 3;
/** How far a text without a choice is followed: property names are shorter. */
const MOST_DEMANDED_BYTES = 64;

/** What all constrained answers of a model share: one thread, one scratch. */
export class Constraints {
  readonly candidates: Candidates;
  readonly forest: TokenForest;
  readonly endOfGeneration: number | undefined;

  constructor(readonly model: LlamaModel) {
    this.candidates = new Candidates(model.vocabSize);
    this.forest = new TokenForest(model);
    this.endOfGeneration = model.endOfGeneration;
  }

  get ready(): boolean {
    return this.forest.grown;
  }

  /** Some milliseconds of the work that comes before the first answer. @returns whether nothing is left. */
  prepare(): boolean {
    const until = performance.now() + PREPARING_MS;
    while (!this.forest.grow() && performance.now() < until);
    return this.ready;
  }

  /** @throws invalid_value when libllama cannot use this grammar; decoders have checked it, so that is rare. */
  compile(gbnf: string): Grammar {
    const grammar = Grammar.compile(this.model, gbnf);
    if (!grammar) throw new ShimmyError("invalid_value", { param: "grammar", reason: "llama.cpp cannot use this grammar" });
    return grammar;
  }
}

export class ConstrainedSampler {
  readonly #shared: Constraints;
  readonly #grammar: Grammar;
  readonly #sampler: Sampler;
  #utf8: Utf8State = BETWEEN_CHARACTERS;
  /** How often it took long to ask about tokens: where so many readings of the text are possible, few are asked about first. */
  #slow = 0;
  /** A token that could follow lately, asked first when the question is whether anything can. */
  #follower: number | undefined;
  /** What `demanded` answers until another token comes. */
  #demanded: readonly number[] | undefined;

  /** Takes over grammar and sampler: `free` frees both. */
  constructor(shared: Constraints, grammar: Grammar, sampler: Sampler) {
    this.#shared = shared;
    this.#grammar = grammar;
    this.#sampler = sampler;
  }

  /** Draws the next token from the logits at this index; undefined when no token of the vocabulary may follow. */
  sample(context: LlamaContext, index: number): number | undefined {
    const token = this.#draw(context, index);
    if (token === undefined) return undefined;
    this.#grammar.accept(token);
    this.#sampler.remember(token);
    this.#utf8 = continueUtf8(this.#utf8, this.#shared.model.piece(token)) ?? BETWEEN_CHARACTERS;
    const rest = this.#demanded?.[0] === token ? this.#demanded.slice(1) : [];
    // At its end the text is asked for anew, and its last token with what follows.
    this.#demanded = rest.length > 0 ? rest : undefined;
    return token;
  }

  /**
   * Tokens of the text that must follow, as the tokenizer cuts it: names of properties and the like. They are taken without a draw, and
   * can be computed together. A draw would often spell a name that the model did not expect in single letters, and read it badly then.
   * Without the last token: what comes behind the text may belong to it.
   */
  get demanded(): readonly number[] {
    this.#demanded ??= this.#shared.model.tokensOf(this.#demandedText()).slice(0, -1);
    return this.#demanded;
  }

  get #ambiguous(): boolean {
    return this.#slow >= SLOW_TIMES;
  }

  #demandedText(): Buffer {
    const { model } = this.#shared;
    const pieces: Buffer[] = [];
    let probe: Grammar | undefined;
    for (let bytes = 0; bytes < MOST_DEMANDED_BYTES && !this.#ambiguous; bytes++) {
      const only = this.#onlyRoot(probe ?? this.#grammar);
      if (only === undefined) break;
      probe ??= this.#grammar.clone();
      if (!probe.allows(only, this.#shared.candidates)) break;
      probe.accept(only);
      pieces.push(model.piece(only));
    }
    probe?.free();
    return Buffer.concat(pieces);
  }

  /** The one first character that may follow; undefined when there is a choice or the text may end. */
  #onlyRoot(grammar: Grammar): number | undefined {
    const { candidates, forest, endOfGeneration } = this.#shared;
    const [only, other] = this.#filter(forest.roots, grammar);
    if (only === undefined || other !== undefined) return undefined;
    return endOfGeneration !== undefined && grammar.allows(endOfGeneration, candidates) ? undefined : only;
  }

  /** Whether the text is whole and nothing can be added. */
  get complete(): boolean {
    const { candidates, endOfGeneration, forest } = this.#shared;
    if (endOfGeneration !== undefined && !this.#grammar.allows(endOfGeneration, candidates)) return false;
    if (this.#follower !== undefined && this.#grammar.allows(this.#follower, candidates)) return false;
    [this.#follower] = this.#filter(forest.roots);
    return this.#follower === undefined;
  }

  free(): void {
    this.#grammar.free();
    this.#sampler.free();
  }

  #draw(context: LlamaContext, index: number): number | undefined {
    const { candidates } = this.#shared;
    const [demanded] = this.demanded;
    if (demanded !== undefined && this.#allows(demanded)) return demanded;
    // Mirostat learns from each draw, also from one that is refused: it draws from the allowed tokens only.
    if (!this.#sampler.adapts) {
      const token = this.#sampler.draw(context, index, candidates);
      if (this.#allows(token)) return token;
    }
    const logits = context.logits(index);
    for (let allowed = this.#allowedTokens(logits); allowed.length > 0; ) {
      candidates.fill(allowed, logits);
      const token = this.#sampler.drawFrom(candidates);
      if (this.#allows(token)) return token;
      allowed = allowed.filter((id) => id !== token);
    }
    return undefined;
  }

  #allows(token: number): boolean {
    const { model, candidates } = this.#shared;
    if (!model.isToken(token) || !this.#grammar.allows(token, candidates)) return false;
    if (model.isEndOfGeneration(token)) return true;
    const bytes = model.piece(token);
    // The grammar sees the name of a control token, the reader nothing.
    return bytes.length > 0 && continueUtf8(this.#utf8, bytes) !== undefined;
  }

  /** The tokens that the grammar allows, or so many of the likeliest that the others have no chance. */
  #allowedTokens(logits: Float32Array): number[] {
    const { candidates, forest } = this.#shared;
    if (!this.#ambiguous) {
      const roots = this.#filter(forest.roots);
      if (roots.length <= FEW_ROOTS * forest.roots.length) {
        const before = performance.now();
        const allowed = this.#withEnd(forest.select((tokens) => this.#filter(tokens), roots));
        if (performance.now() - before > SLOW_MS) this.#slow++;
        return allowed;
      }
    }
    const { reach } = this.#sampler;
    if (reach <= LIKELIEST) {
      candidates.fillLikeliest(logits, LIKELIEST);
      this.#grammar.restrict(candidates);
      const likeliest = candidates.possible();
      if (likeliest.length >= reach) return likeliest;
    }
    candidates.fillAll(logits);
    this.#grammar.restrict(candidates);
    return candidates.possible();
  }

  /** The forest holds no token without text. */
  #withEnd(tokens: number[]): number[] {
    const { candidates, endOfGeneration } = this.#shared;
    if (endOfGeneration !== undefined && this.#grammar.allows(endOfGeneration, candidates)) tokens.push(endOfGeneration);
    return tokens;
  }

  #filter(tokens: readonly number[], grammar = this.#grammar): number[] {
    if (tokens.length === 0) return [];
    this.#shared.candidates.fill(tokens);
    grammar.restrict(this.#shared.candidates);
    return this.#shared.candidates.possible();
  }
}
