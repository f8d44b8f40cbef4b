/**
 * What must be there before an answer with a grammar can begin. The vocabulary is sorted for grammars while nobody asks for anything, else
 * before the first answer with one, which waits for it; so no answer depends on how far that has come. A large grammar is read by libllama
 * beside the loop. Owned by loop.ts.
 */
import { Grammar } from "../llama/grammar.ts";
import type { LlamaModel } from "../llama/model.ts";
import { Constraints } from "./constraints.ts";

/** Characters; a tenth of a megabyte takes libllama 1 to 10 ms. */
const LARGE = 100_000;

export class GrammarPreparation {
  readonly #model: LlamaModel;
  #constraints: Constraints | undefined;
  #sorting: Promise<void> | undefined;
  /** Requests that wait, by their ids. */
  readonly #waiting = new Set<number>();
  /** When all large grammars that came so far are read: one at a time, for koffi refuses a 17th call and each holds its memory. */
  #read: Promise<unknown> = Promise.resolve();

  constructor(model: LlamaModel) {
    this.#model = model;
  }

  /** Undefined: not ready. */
  get constraints(): Constraints | undefined {
    return this.#constraints?.ready ? this.#constraints : undefined;
  }

  readyFor(gbnf: string): boolean {
    return this.constraints !== undefined && gbnf.length <= LARGE;
  }

  /**
   * Calls back when all is ready, unless `forget` comes first.
   * @param then frees what it is given; undefined: it has the grammar compiled itself
   */
  async wait(id: number, gbnf: string, then: (compiled: Grammar | undefined) => void): Promise<void> {
    this.#waiting.add(id);
    this.#sorting ??= this.#sort();
    await this.#sorting;
    const compiled = gbnf.length > LARGE ? await this.#readAside(id, gbnf) : undefined;
    if (this.#waiting.delete(id)) then(compiled);
    else compiled?.free();
  }

  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** Behind those that came before. @returns undefined too for whoever has left meanwhile */
  #readAside(id: number, gbnf: string): Promise<Grammar | undefined> {
    const read = this.#read
      .then(() => (this.#waiting.has(id) ? Grammar.compileAside(this.#model, gbnf) : undefined))
      .catch(() => undefined); // no thread is to be had: it is read in the loop
    this.#read = read;
    return read;
  }

  /** In pieces between two steps. */
  async #sort(): Promise<void> {
    this.#constraints ??= new Constraints(this.#model);
    while (!this.#constraints.prepare()) await new Promise(setImmediate); // a step lies between
  }

  /** In small pieces, as long as `idle` says so. */
  continueWhile(idle: () => boolean): void {
    if (!idle() || this.constraints) return;
    this.#constraints ??= new Constraints(this.#model);
    this.#constraints.forest.grow();
    setImmediate(() => this.continueWhile(idle));
  }
}
