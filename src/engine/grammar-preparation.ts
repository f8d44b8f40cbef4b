/**
 * When the vocabulary is sorted for grammars: while nobody asks for anything, else before the first answer with one, which waits for it;
 * so no answer depends on how far that has come. Owned by loop.ts.
 */
import type { LlamaModel } from "../llama/model.ts";
import { Constraints } from "./constraints.ts";

export class GrammarPreparation {
  readonly #model: LlamaModel;
  #constraints: Constraints | undefined;
  /** What waits for it, by the id of its request. */
  readonly #waiting = new Map<number, () => void>();

  constructor(model: LlamaModel) {
    this.#model = model;
  }

  /** Undefined: not ready. */
  get constraints(): Constraints | undefined {
    return this.#constraints?.ready ? this.#constraints : undefined;
  }

  /** Calls back when it is ready, unless `forget` comes first. In pieces between two steps. */
  async wait(id: number, then: () => void): Promise<void> {
    this.#waiting.set(id, then);
    if (this.#waiting.size > 1) return;
    this.#constraints ??= new Constraints(this.#model);
    while (!this.#constraints.prepare()) await new Promise(setImmediate); // a step lies between
    const ready = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const each of ready) each();
  }

  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** In small pieces, as long as `idle` says so. */
  continueWhile(idle: () => boolean): void {
    if (!idle() || this.constraints) return;
    this.#constraints ??= new Constraints(this.#model);
    this.#constraints.forest.grow();
    setImmediate(() => this.continueWhile(idle));
  }
}
