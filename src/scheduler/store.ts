/**
 * The ledger of the KV cells that were put aside, in memory or in files: which conversations, how large, how useful. It decides what makes room
 * for what; the bytes are the engine's. Used by scheduler.ts. Pure.
 */
import { type CellAction, type Content, sharedLength, WORTH_A_COPY } from "./cells.ts";

interface Entry extends Content {
  readonly number: number;
  /** Where the engine keeps it: files have a budget of their own. */
  readonly inMemory: boolean;
  hits: number;
  usedAt: number;
}

export class PrefixStore {
  readonly #budget: number;
  #entries: Entry[] = [];
  #used = 0;
  #nextNumber = 0;

  /** `budget`: tokens it may hold in all; 0 turns it off. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Tokens it holds. */
  get used(): number {
    return this.#used;
  }

  /** Cells that the engine found in a file. @returns the number of the entry. */
  remember(content: Content): number {
    const number = this.#nextNumber++;
    this.#entries.push({ ...content, number, inMemory: false, hits: 0, usedAt: 0 });
    return number;
  }

  /** What is kept in memory. */
  get inMemory(): ReadonlyArray<{ readonly entry: number; readonly content: Content }> {
    return this.#entries.filter(({ inMemory }) => inMemory).map((content) => ({ entry: content.number, content }));
  }

  /** The entry that begins most like `wanted`. */
  best(wanted: Content): { entry: number; content: Content; shared: number } | undefined {
    let best: { entry: number; content: Content; shared: number } | undefined;
    for (const entry of this.#entries) {
      const shared = sharedLength(entry, wanted);
      if (shared > (best?.shared ?? 0)) best = { entry: entry.number, content: entry, shared };
    }
    return best;
  }

  hit(number: number, now: number): void {
    const entry = this.#entries.find((other) => other.number === number);
    if (!entry) return;
    entry.hits++;
    entry.usedAt = now;
  }

  /**
   * Puts the content of a slot aside if that is worth it. @returns what the engine must do: first drop what makes room, then save.
   * Entries that are a beginning of the new one are dropped: it serves whom they served. `needed` is an entry about to be restored.
   */
  save(slot: number, content: Content, now: number, needed?: number): CellAction[] {
    const { length } = content;
    const kept = this.#entries.find(({ number, inMemory }) => inMemory && number === needed)?.length ?? 0;
    if (length < WORTH_A_COPY || length + kept > this.#budget || this.#holds(content)) return [];
    const others = () => this.#entries.filter(({ number }) => number !== needed);
    const actions: CellAction[] = others()
      .filter((entry) => sharedLength(entry, content) === entry.length)
      .map((entry) => this.#drop(entry));
    while (this.#used + length > this.#budget)
      actions.push(
        this.#drop(
          leastValuable(
            others().filter(({ inMemory }) => inMemory),
            now,
          ),
        ),
      );
    const number = this.#nextNumber++;
    this.#entries.push({
      tokens: content.tokens.slice(0, length),
      length,
      salt: content.salt,
      number,
      inMemory: true,
      hits: 0,
      usedAt: now,
    });
    this.#used += length;
    return [...actions, { type: "save", slot, entry: number }];
  }

  /** The engine could not save or restore it. */
  lose(number: number): void {
    const entry = this.#entries.find((other) => other.number === number);
    if (entry) this.#drop(entry);
  }

  #holds(content: Content): boolean {
    return this.#entries.some((entry) => sharedLength(entry, content) === content.length);
  }

  #drop(entry: Entry): CellAction {
    this.#entries = this.#entries.filter((other) => other !== entry);
    if (entry.inMemory) this.#used -= entry.length;
    return { type: "drop", entry: entry.number };
  }
}

/** What was asked for often and lately is kept; size is no matter, since memory and recomputation grow with it alike. */
function leastValuable(entries: readonly Entry[], now: number): Entry {
  const value = ({ hits, usedAt }: Entry) => (1 + hits) / (1 + now - usedAt);
  return entries.reduce((least, entry) => (value(entry) < value(least) ? entry : least));
}
