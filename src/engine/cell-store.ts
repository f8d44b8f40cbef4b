/**
 * Does to the KV cells what the scheduler decides, and keeps what it puts aside. Called by loop.ts before each step.
 * It must not decide anything: what is worth keeping is scheduler/store.ts.
 */
import { freeCells, type LlamaContext, type SavedCells } from "../llama/context.ts";
import type { CellAction } from "../scheduler/cells.ts";

export class CellStore {
  readonly #context: LlamaContext;
  readonly #saved = new Map<number, SavedCells>();

  constructor(context: LlamaContext) {
    this.#context = context;
  }

  /** Bytes put aside. */
  get bytes(): number {
    let bytes = 0;
    for (const saved of this.#saved.values()) bytes += saved.bytes;
    return bytes;
  }

  /** @returns false when it could not be done: a slot that was to be filled is then empty. */
  do(action: CellAction): boolean {
    switch (action.type) {
      case "cut":
        return this.#cut(action.slot, action.from);
      case "copy":
        return this.#context.copy(action.source, action.slot, action.keep);
      case "save": {
        const saved = this.#context.save(action.slot);
        if (saved) this.#saved.set(action.entry, saved);
        return saved !== undefined;
      }
      case "restore": {
        const saved = this.#saved.get(action.entry);
        return saved !== undefined && this.#context.restore(saved, action.slot, action.keep);
      }
      case "drop": {
        const saved = this.#saved.get(action.entry);
        if (saved) freeCells(saved);
        this.#saved.delete(action.entry);
        return true;
      }
    }
  }

  #cut(slot: number, from: number): boolean {
    if (this.#context.cut(slot, from)) return true;
    this.#context.cut(slot, 0);
    return false;
  }
}
