/** Asks libllama itself whether a grammar matches a text, byte by byte with Shimmy Tiny's tokens for single bytes. */
import { Candidates } from "../../src/llama/candidates.ts";
import { Grammar } from "../../src/llama/grammar.ts";
import { LlamaModel } from "../../src/llama/model.ts";
import { TINY } from "../support/server.ts";

export class Matcher {
  readonly #model = LlamaModel.load(TINY, "shimmy-tiny");
  readonly #scratch = new Candidates(this.#model.vocabSize);
  readonly #end = this.#model.endOfGeneration!;
  readonly #tokens = new Map<number, number>();

  constructor() {
    for (let token = 0; token < this.#model.vocabSize; token++) {
      const piece = this.#model.binaryPiece(token);
      if (piece.length === 1) this.#tokens.set(piece.charCodeAt(0), token);
    }
  }

  /** One grammar, compiled once. */
  grammar(gbnf: string): (text: string) => boolean {
    const compiled = Grammar.compile(this.#model, gbnf);
    if (!compiled) throw new Error(`libllama refuses the grammar ${gbnf}`);
    return (text) => this.#matches(compiled.clone(), text);
  }

  #matches(grammar: Grammar, text: string): boolean {
    try {
      for (const byte of Buffer.from(text, "utf8")) {
        const token = this.#tokens.get(byte);
        if (token === undefined) throw new Error(`no token for byte ${byte}`);
        if (!grammar.allows(token, this.#scratch)) return false;
        grammar.accept(token);
      }
      return grammar.allows(this.#end, this.#scratch);
    } finally {
      grammar.free();
    }
  }
}
