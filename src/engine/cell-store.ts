/**
 * Does to the KV cells what the scheduler decides, and keeps what it puts aside, in memory and, if there is a folder for it, in
 * files. Called by loop.ts. It must not decide anything: what is worth keeping is scheduler/store.ts.
 */
import { freeCells, type LlamaContext, type SavedCells } from "../llama/context.ts";
import { type CellAction, type Content, sharedLength } from "../scheduler/cells.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { CellFiles } from "./cell-files.ts";

/** Shorter conversations are computed again sooner than they are read. */
const WORTH_A_FILE = 128;

export class CellStore {
  readonly #context: LlamaContext;
  readonly #saved = new Map<number, SavedCells>();
  readonly #files: CellFiles | undefined;
  /** Entry of the scheduler's ledger → its file. */
  readonly #paths = new Map<number, string>();
  /** What is in files, or on its way there. */
  readonly #filed = new Set<Content>();

  constructor(context: LlamaContext, files?: CellFiles) {
    this.#context = context;
    this.#files = files;
  }

  /** What is put aside in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const saved of this.#saved.values()) bytes += saved.bytes;
    return bytes;
  }

  /** Tells the scheduler what earlier processes left in files. */
  introduce(scheduler: Scheduler): void {
    for (const { path, content } of this.#files?.list() ?? []) {
      this.#paths.set(scheduler.remember(content), path);
      this.#filed.add(content);
    }
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
      case "restore":
        return this.#restore(action.entry, action.slot, action.keep);
      case "drop":
        this.#drop(action.entry);
        return true;
    }
  }

  /** Writes to files what idle slots and the store hold, unless it is there. To be called when nothing is computed. */
  async persist(scheduler: Scheduler): Promise<void> {
    if (!this.#files) return;
    for (let slot = 0; slot < this.#context.sequences; slot++) {
      const content = scheduler.idleContent(slot);
      if (!content || !this.#isWorthAFile(content)) continue;
      const saved = this.#context.save(slot);
      if (!saved) continue;
      await this.#write(content, saved);
      freeCells(saved);
    }
    for (const { entry, content } of scheduler.stored) {
      const saved = this.#saved.get(entry);
      if (saved && this.#isWorthAFile(content)) await this.#write(content, saved);
    }
  }

  async #write(content: Content, saved: SavedCells): Promise<void> {
    const kept: Content = { ...content, tokens: content.tokens.slice(0, content.length) };
    this.#filed.add(kept);
    // A copy: while it is written, slots go on and entries may be freed.
    const written = await this.#files?.write(kept, this.#context.bytesOf(saved).slice());
    if (written === undefined) this.#filed.delete(kept);
  }

  #isWorthAFile(content: Content): boolean {
    return content.length >= WORTH_A_FILE && !this.#isFiled(content);
  }

  #isFiled(content: Content): boolean {
    for (const filed of this.#filed) if (sharedLength(filed, content) === content.length) return true;
    return false;
  }

  #restore(entry: number, slot: number, keep: number): boolean {
    const saved = this.#saved.get(entry);
    if (saved) return this.#context.restore(saved, slot, keep);
    const path = this.#paths.get(entry);
    const state = path === undefined ? undefined : this.#files?.read(path);
    return state !== undefined && this.#context.restore(state, slot, keep);
  }

  #drop(entry: number): void {
    const saved = this.#saved.get(entry);
    if (saved) freeCells(saved);
    this.#saved.delete(entry);
    // The file stays for the next process; the folder's own budget decides about it.
    this.#paths.delete(entry);
  }

  #cut(slot: number, from: number): boolean {
    if (this.#context.cut(slot, from)) return true;
    this.#context.cut(slot, 0);
    return false;
  }
}
