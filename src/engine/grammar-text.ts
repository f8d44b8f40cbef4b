/**
 * A text under a grammar: which tokens may go on, what must follow, whether it is whole. Where the grammar leaves no choice the text is
 * taken as the tokenizer cuts it. Moved by answer-state.ts, asked for candidates by answer-source.ts; it must not know sampling.
 *
 * Control tokens that are markers stand for their names: a grammar that spells such a name is given the control token, and its spelling
 * in letters is refused where the letters could be nothing else.
 */
import type { Grammar } from "../llama/grammar.ts";
import type { GrammarRun } from "./answer-state.ts";
import type { Constraints } from "./constraints.ts";
import type { MarkedVocabulary, Marker } from "./markers.ts";
import { BETWEEN_CHARACTERS, continueUtf8, type Utf8State } from "./utf8.ts";

/** The likeliest tokens, of which enough may be allowed. */
const LIKELIEST = 128;
/** A grammar that lets more than this share of the first characters pass is asked about all tokens at once. */
const FEW_ROOTS = 0.25;

const SLOW_MS = 5;
/** How often the grammar must have been slow. A pause of another program happens once. */
const SLOW_TIMES = 3;
/** How far a text without a choice is followed: property names are shorter. */
const MOST_DEMANDED_BYTES = 64;

export class GrammarText implements GrammarRun {
  readonly #shared: Constraints;
  readonly #vocabulary: MarkedVocabulary;
  readonly #grammar: Grammar;
  #utf8: Utf8State = BETWEEN_CHARACTERS;
  /** How often it took long to ask about tokens: where so many readings of the text are possible, few are asked about first. */
  #slow = 0;
  /** A token that could follow lately, asked first when the question is whether anything can. */
  #follower: number | undefined;
  /** What `demanded` answers until another token comes. */
  #demanded: readonly number[] | undefined;

  /** Takes over the grammar, which nothing was accepted by yet: `free` frees it. */
  constructor(shared: Constraints, vocabulary: MarkedVocabulary, grammar: Grammar) {
    this.#shared = shared;
    this.#vocabulary = vocabulary;
    this.#grammar = grammar;
  }

  /** Whether the token may follow, an end of generation included. */
  allows(token: number): boolean {
    const { model, candidates } = this.#shared;
    if (!model.isToken(token)) return false;
    if (model.isEndOfGeneration(token)) return this.#grammar.allows(token, candidates);
    const bytes = this.#vocabulary.piece(token);
    // The grammar sees the name of a control token, the reader only those of markers.
    if (bytes.length === 0 || continueUtf8(this.#utf8, bytes) === undefined) return false;
    return !this.#spellsMarker(token, bytes) && this.#grammar.allows(token, candidates);
  }

  /** Goes on by the token that `allows` allowed last, and that is no end. */
  accept(token: number): void {
    this.#grammar.accept(token);
    this.#utf8 = continueUtf8(this.#utf8, this.#vocabulary.piece(token)) ?? BETWEEN_CHARACTERS;
    const rest = this.#demanded?.[0] === token ? this.#demanded.slice(1) : [];
    // At its end the text is asked for anew, and its last token with what follows.
    this.#demanded = rest.length > 0 ? rest : undefined;
  }

  /** Goes on by these bytes, whatever tokens they came in. @returns false when the grammar refuses them; it is then good for nothing. */
  spell(bytes: Buffer): boolean {
    const utf8 = continueUtf8(this.#utf8, bytes);
    if (utf8 === undefined) return false;
    for (const byte of bytes) {
      const token = this.#shared.byteToken(byte);
      if (token === undefined || !this.#grammar.allows(token, this.#shared.candidates)) return false;
      this.#grammar.accept(token);
    }
    this.#utf8 = utf8;
    this.#demanded = undefined;
    return true;
  }

  /**
   * Tokens of the text that must follow, as the tokenizer cuts it: names of properties and the like. They are taken without a draw, and
   * can be computed together. A draw would often spell a name that the model did not expect in single letters, and read it badly then.
   */
  get demanded(): readonly number[] {
    this.#demanded ??= this.#vocabulary.begin(this.#demandedText());
    return this.#demanded;
  }

  /** Whether the text may end here. */
  get mayEnd(): boolean {
    const { candidates, endOfGeneration } = this.#shared;
    return endOfGeneration !== undefined && this.#grammar.allows(endOfGeneration, candidates);
  }

  /** Whether the text is whole and nothing can be added. */
  get complete(): boolean {
    const { candidates, endOfGeneration, forest } = this.#shared;
    if (endOfGeneration !== undefined && !this.mayEnd) return false;
    if (this.#follower !== undefined && this.#grammar.allows(this.#follower, candidates)) return false;
    [this.#follower] = this.#filter(forest.roots);
    return this.#follower === undefined;
  }

  /** The tokens that may follow, or so many of the likeliest that the others have no chance. `reach`: as that of a `Sampler`. */
  candidates(logits: Float32Array, reach: number): number[] {
    const { candidates, forest } = this.#shared;
    if (!this.#ambiguous) {
      const roots = this.#filter(forest.roots);
      if (roots.length <= FEW_ROOTS * forest.roots.length) {
        const before = performance.now();
        const allowed = this.#withControlTokens(forest.select((tokens) => this.#filter(tokens), roots));
        if (performance.now() - before > SLOW_MS) this.#slow++;
        return allowed;
      }
    }
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

  clone(): GrammarText {
    const copy = new GrammarText(this.#shared, this.#vocabulary, this.#grammar.clone());
    copy.#utf8 = this.#utf8;
    copy.#slow = this.#slow;
    return copy;
  }

  free(): void {
    this.#grammar.free();
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

  /**
   * Whether this token begins the name of a marker in letters: the marker itself may stand here, and behind these letters nothing but
   * markers can follow. Text that only happens to begin like one is no such spelling.
   */
  #spellsMarker(token: number, piece: Buffer): boolean {
    const { candidates } = this.#shared;
    const spelled = this.#vocabulary.beginningWith(piece).filter((marker) => this.#grammar.allows(marker.token, candidates));
    if (spelled.length === 0) return false;
    const probe = this.#grammar.clone();
    const only = probe.allows(token, candidates) && this.#onlyMarkersFollow(probe, token, piece, spelled);
    probe.free();
    return only;
  }

  #onlyMarkersFollow(probe: Grammar, token: number, piece: Buffer, markers: readonly Marker[]): boolean {
    const { candidates, forest, endOfGeneration, model } = this.#shared;
    probe.accept(token);
    if (endOfGeneration !== undefined && probe.allows(endOfGeneration, candidates)) return false;
    return this.#filter(forest.roots, probe).every((root) => {
      const text = Buffer.concat([piece, model.piece(root)]);
      return markers.some((marker) => marker.text.subarray(0, text.length).equals(text));
    });
  }

  /** The forest holds no token without text of its own. */
  #withControlTokens(tokens: number[]): number[] {
    const { candidates, endOfGeneration } = this.#shared;
    if (endOfGeneration !== undefined && this.#grammar.allows(endOfGeneration, candidates)) tokens.push(endOfGeneration);
    for (const { token } of this.#vocabulary.markers) if (this.#grammar.allows(token, candidates)) tokens.push(token);
    return tokens;
  }

  #filter(tokens: readonly number[], grammar = this.#grammar): number[] {
    if (tokens.length === 0) return [];
    this.#shared.candidates.fill(tokens);
    grammar.restrict(this.#shared.candidates);
    return this.#shared.candidates.possible();
  }
}
