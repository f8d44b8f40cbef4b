/**
 * What all constrained answers of a model share: the vocabulary sorted for grammars, one scratch, the compiler. Made by grammar-preparation.ts;
 * one thread, so one scratch is enough.
 */
import { ShimmyError } from "../contract/errors.ts";
import { Candidates } from "../llama/candidates.ts";
import { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import { TokenForest } from "./token-forest.ts";

const PREPARING_MS = 6;

export class Constraints {
  readonly candidates: Candidates;
  readonly forest: TokenForest;
  readonly endOfGeneration: number | undefined;
  /** Byte → the token that is this byte; made when first needed. */
  #byteTokens: ReadonlyMap<number, number> | undefined;

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

  /** The token that is this byte and nothing else; undefined: the vocabulary has none. */
  byteToken(byte: number): number | undefined {
    this.#byteTokens ??= new Map(
      this.forest.roots.flatMap((token) => {
        const piece = this.model.piece(token);
        return piece.length === 1 ? [[piece[0]!, token] as const] : [];
      }),
    );
    return this.#byteTokens.get(byte);
  }
}
