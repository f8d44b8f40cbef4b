/**
 * A place for a running sequence, libllama's `seq_id`, and what its cells hold while nobody runs there. Owned by scheduler.ts.
 */
import type { Content } from "./cells.ts";
import type { Sequence } from "./sequence.ts";

const EMPTY: Content = { tokens: [], length: 0, salt: "" };

export class Slot {
  owner: Sequence | undefined;
  usedAt = 0;
  #idle: Content = EMPTY;

  constructor(readonly index: number) {}

  get content(): Content {
    return this.owner ? { tokens: this.owner.tokens, length: this.owner.computed, salt: this.owner.salt } : this.#idle;
  }

  /** Whoever computed here has left; the cells still hold what he computed. */
  retire(now: number): void {
    this.#idle = this.content;
    this.owner = undefined;
    this.usedAt = now;
  }

  empty(): void {
    this.#idle = EMPTY;
  }

  /** What another slot held was copied here. */
  hold(content: Content, usedAt: number): void {
    this.#idle = { ...content, tokens: content.tokens.slice(0, content.length) };
    this.usedAt = usedAt;
  }
}
