/**
 * libllama's grammar sampler: which tokens may follow. Called by engine/constraints.ts, moved by engine/grammar-text.ts.
 * It guards `accept`, which aborts the process for a token that the grammar refuses: nothing but a token that was just tested is
 * accepted. It must not know requests, schemas or the sampling chain.
 */
import type { Candidates } from "./candidates.ts";
import { type Library, library, type SamplerPointer } from "./library.ts";
import type { LlamaModel } from "./model.ts";

export class Grammar {
  readonly #lib: Library;
  readonly #sampler: SamplerPointer;
  /** The last token that was found allowed in the present state. */
  #allowed: number | undefined;

  private constructor(lib: Library, sampler: SamplerPointer) {
    this.#lib = lib;
    this.#sampler = sampler;
  }

  /** @returns undefined when it is no grammar libllama can use; it writes the reason to stderr. */
  static compile(model: LlamaModel, gbnf: string): Grammar | undefined {
    const lib = library();
    const sampler = lib.samplerGrammar(model.vocab, gbnf, "root");
    return sampler ? new Grammar(lib, sampler) : undefined;
  }

  /** The same in another thread: a grammar of 4 MB takes 50 to 100 ms, in which no step of the loop would be made. */
  static compileAside(model: LlamaModel, gbnf: string): Promise<Grammar | undefined> {
    const lib = library();
    return new Promise((resolve, reject) => {
      lib.samplerGrammarAside(model.vocab, gbnf, "root", (error, sampler) => {
        if (error) reject(error);
        else resolve(sampler ? new Grammar(lib, sampler) : undefined);
      });
    });
  }

  /** Marks what may not follow with a logit of −infinity; 7 µs for one token, 8 ms for 49 k. */
  restrict(candidates: Candidates): void {
    this.#lib.samplerApply(this.#sampler, candidates.pointer);
  }

  /** Whether this token may follow; `scratch` is overwritten. */
  allows(token: number, scratch: Candidates): boolean {
    scratch.fillOne(token);
    this.restrict(scratch);
    const allowed = scratch.logit(0) !== Number.NEGATIVE_INFINITY;
    if (allowed) this.#allowed = token;
    return allowed;
  }

  /** Goes on by this token, which `allows` must have found allowed last. @throws otherwise: libllama would abort the process. */
  accept(token: number): void {
    if (token !== this.#allowed) throw new Error(`token ${token} was not tested`);
    this.#allowed = undefined;
    this.#lib.samplerAccept(this.#sampler, token);
  }

  /** With the same state. */
  clone(): Grammar {
    return new Grammar(this.#lib, this.#lib.samplerClone(this.#sampler));
  }

  free(): void {
    this.#lib.samplerFree(this.#sampler);
  }
}
