/**
 * Decides who gets how many tokens in the next step, and which cells hold what. Pure: no clock, promise, native call or I/O, so its
 * tests need no model. The engine's loop calls `plan`, does what it says, samples, and gives the tokens back to `apply`.
 *
 *   arrive ─▶ waiting ──admit (a slot is idle, its cells fit)──▶ running ──apply──▶ ended: its slot is idle and keeps its cells
 *                ▲                                                  │
 *                └────────────── preempt (cells ran out) ───────────┘
 */
import { type CellAction, type Content, WORTH_A_COPY } from "./cells.ts";
import { draft, type Propose } from "./draft.ts";
import { GroupTurns } from "./groups.ts";
import { type Placement, place, smallLoss, TINY_LOSS } from "./placement.ts";
import { FairQueue } from "./queue.ts";
import type { Arrival, Sequence } from "./sequence.ts";
import { Slot } from "./slot.ts";
import { PrefixStore } from "./store.ts";

export interface Limits {
  /** How many sequences may run at once: the `seq_id`s 0 … slots − 1. */
  readonly slots: number;
  /** Tokens that one sequence may hold. */
  readonly cellsPerSequence: number;
  /** KV cells of all sequences together: slots × cellsPerSequence when each has its own stream, less in a shared pool. */
  readonly cells: number;
  /** Tokens whose cells may be put aside in memory; absent: none. */
  readonly storeTokens?: number;
  /** Whether a sequence can lose its end and keep its beginning; absent: yes. */
  readonly canCut?: boolean;
  /** Tokens a step may compute of prompts whose logits are all wanted; absent: any number. */
  readonly rows?: number;
  /** Each sequence has a stream of its own, and steps over neighbouring slots are cheaper; absent: no. */
  readonly gather?: boolean;
}

/** Tokens `from` … `to` − 1 of a sequence, to be computed in its slot; the last one's logits are wanted when `samples`. */
export interface PlanEntry {
  readonly sequence: Sequence;
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  readonly samples: boolean;
  /** Guesses at the tokens from `to` on, to be computed too, the logits of each wanted: empty unless it samples. */
  readonly draft: readonly number[];
}

export interface Plan {
  /** What is done to cells before anything is computed. */
  readonly actions: readonly CellAction[];
  /** In the order of their slots: libllama computes consecutive slots in one go. */
  readonly entries: readonly PlanEntry[];
  /** Of all of them. */
  readonly group: number;
}

/**
 * What was sampled for an entry that `samples`; `ended` when the text is complete (end of generation, stop string). Of an entry
 * with a draft the tokens come one after the other: a next one may be sampled where the one before was what the draft says.
 */
export interface Sampled {
  readonly key: number;
  readonly token: number;
  readonly ended: boolean;
}

/** What a placement copies from: not to be overwritten or dropped before. */
interface Kept {
  readonly slot?: Slot;
  readonly entry?: number;
}

/** Cells kept free for each that runs, so that an arrival is not sent back to the queue a few steps later. */
const HEADROOM = 16;
/** Of the tokens for prompts. */
const OLDEST_SHARE = 0.25;

export class Scheduler {
  readonly #limits: Limits;
  readonly #store: PrefixStore;
  readonly #slots: readonly Slot[];
  readonly #waiting = new FairQueue();
  readonly #turns = new GroupTurns();
  /** In order of admission: the first is the oldest and the last to be preempted. */
  #running: Sequence[] = [];
  #actions: CellAction[] = [];
  /** Counts plans; the scheduler's only time. */
  #now = 0;

  constructor(limits: Limits) {
    if (limits.cellsPerSequence > limits.cells) throw new Error("a sequence could never fill its context");
    this.#limits = limits;
    this.#store = new PrefixStore(limits.storeTokens ?? 0);
    this.#slots = Array.from({ length: limits.slots }, (_, index) => new Slot(index));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.length;
  }

  /** Who runs in each slot. */
  get owners(): ReadonlyArray<Sequence | undefined> {
    return this.#slots.map(({ owner }) => owner);
  }

  /** Cells with something in them, those shared with others counted for each, and tokens put aside in memory. */
  get held(): { readonly cells: number; readonly stored: number } {
    return { cells: this.#cellsUsed(), stored: this.#store.used };
  }

  get idle(): boolean {
    return this.#waiting.length + this.#running.length === 0;
  }

  /** Whether a prompt of this length can be computed at all: a prompt that fills the context still gives one token. */
  fits(promptLength: number): boolean {
    return promptLength <= this.#limits.cellsPerSequence;
  }

  /** The prompt must fit and hold at least one token. */
  arrive(arrival: Arrival): void {
    if (arrival.prompt.length === 0 || !this.fits(arrival.prompt.length)) throw new Error(`a prompt of ${arrival.prompt.length} tokens`);
    this.#waiting.arrive(arrival);
  }

  /** Takes a sequence out, wherever it is. Unknown keys are sequences that ended already. */
  abort(key: number): void {
    this.#waiting.remove(key);
    const sequence = this.#running.find((other) => other.key === key);
    if (sequence) this.#leave(sequence);
  }

  /** Sequences that are read from at this moment: each needs a single token. */
  get decoding(): number {
    return this.#running.filter(({ needed }) => needed === 1).length;
  }

  /**
   * What the next step computes: at most `budget` tokens, one each for those that decode, the rest for prompts, else for drafts. Whoever
   * is of another group than the one whose turn it is has his slot and waits.
   */
  plan(budget: number, propose?: Propose): Plan {
    this.#now++;
    this.#makeRoom();
    const shares = new Map<Sequence, number>();
    let left = budget;
    let given = 0;
    let rows = this.#limits.rows ?? Number.POSITIVE_INFINITY;
    let cells = this.#limits.cells - this.#cellsUsed();
    const give = (sequence: Sequence, wanted: number) => {
      const had = shares.get(sequence) ?? 0;
      const count = Math.min(wanted, sequence.needed - had, left, cells - given, sequence.wantsAllLogits ? rows : left);
      if (count <= 0) return;
      if (sequence.wantsAllLogits) rows -= count;
      shares.set(sequence, had + count);
      left -= count;
      given += count;
    };
    let turn = this.#turn();
    // Those who are read from first: a token each, so that a long prompt does not stop them.
    for (const sequence of this.#running) if (sequence.needed === 1 && sequence.group === turn) give(sequence, 1);
    for (const sequence of this.#waiting) if (left <= 0 || this.#admit(sequence) === "no room") break;
    cells = this.#limits.cells - this.#cellsUsed();
    turn ??= this.#turn() ?? 0;
    // Then the shortest prompt, which makes most of them answer early; the oldest gets a part whatever comes, and what is left.
    const prompts = this.#running.filter((sequence) => sequence.group === turn && !shares.has(sequence));
    const oldest = prompts[0];
    if (oldest) give(oldest, Math.ceil(left * OLDEST_SHARE));
    for (const sequence of prompts.toSorted((a, b) => a.needed - b.needed)) give(sequence, sequence.needed);
    const actions = this.#actions;
    this.#actions = [];
    const drafts = propose && draft([...shares.keys()], { ...this.#limits, room: Math.min(left, cells - given) }, propose);
    const entries = [...shares].map(([sequence, count]) => entry(sequence, count, drafts?.get(sequence)));
    return { actions, entries: entries.sort((a, b) => a.slot - b.slot), group: turn };
  }

  /**
   * Takes the outcome of a computed plan. A sequence that reached its token limit or the end of its context ends here.
   * @param cost Milliseconds that the step took, so that groups get equal time; where there is one group it says nothing.
   * @returns the keys that ended by length; those that the caller called ended are gone too.
   */
  apply(plan: Plan, sampled: readonly Sampled[], cost = 0): number[] {
    this.#turns.spend(cost);
    const full: number[] = [];
    for (const { sequence, to } of plan.entries) {
      sequence.computed = to;
      if (sequence.maxTokens > 0 || sequence.needed > 0) continue;
      full.push(sequence.key); // only the prompt was asked for
      this.#leave(sequence);
    }
    const byKey = new Map(this.#running.map((sequence) => [sequence.key, sequence]));
    for (const { key, token, ended } of sampled) {
      const sequence = byKey.get(key);
      if (!sequence) continue;
      sequence.computed = sequence.tokens.length; // the token before this one, if a draft said it, is computed already
      sequence.tokens.push(token);
      const atLimit = sequence.generated >= sequence.maxTokens || sequence.tokens.length > this.#limits.cellsPerSequence;
      if (!ended && atLimit) full.push(key);
      if (ended || atLimit) this.#leave(sequence);
    }
    for (const { sequence, slot, to, draft } of plan.entries) {
      if (sequence.computed < to + draft.length) this.#actions.push({ type: "cut", slot, from: sequence.computed });
    }
    return full;
  }

  /**
   * Sends the youngest running sequence back to the head of the queue, its cells to the store; what it has generated stays.
   * @returns false when only one runs: nobody can make room for it.
   */
  preempt(): boolean {
    if (this.#running.length <= 1) return false;
    const sequence = this.#running.at(-1)!;
    const slot = this.#slots[sequence.slot!]!;
    this.#leave(sequence);
    this.#evict(slot);
    sequence.computed = 0;
    this.#waiting.putBack(sequence);
    return true;
  }

  /** Cells that the engine found in a file. @returns the entry by which it will be asked to restore or drop them. */
  remember(content: Content): number {
    return this.#store.remember(content);
  }

  /** What the engine keeps in memory for the store. */
  get stored(): ReadonlyArray<{ readonly entry: number; readonly content: Content }> {
    return this.#store.inMemory;
  }

  /** What the cells of a slot hold, if nobody computes in it. */
  idleContent(slot: number): Content | undefined {
    const { owner, content } = this.#slots[slot]!;
    return owner || content.length === 0 ? undefined : content;
  }

  /** The engine could not do an action: the slot is empty now, and whoever was put there computes all of it. */
  lost(action: CellAction): void {
    if ("entry" in action) this.#store.lose(action.entry);
    if (!("slot" in action) || action.type === "save") return;
    const slot = this.#slots[action.slot]!;
    if (slot.owner) slot.owner.computed = 0;
    else slot.empty();
  }

  /** Undefined: nobody runs. */
  #turn(): number | undefined {
    return this.#running.length === 0 ? undefined : this.#turns.next(this.#running);
  }

  /** Every running sequence must be able to take a step: idle cells make room first, then the youngest gives way. */
  #makeRoom(): void {
    const wanted = () => this.#running.reduce((n, sequence) => n + Math.min(sequence.needed, 1), 0);
    while (this.#cellsUsed() + wanted() > this.#limits.cells && (this.#evictOldest() || this.preempt()));
  }

  #cellsUsed(): number {
    return this.#slots.reduce((n, { content }) => n + content.length, 0);
  }

  #admit(sequence: Sequence): "admitted" | "waits" | "no room" {
    const wanted = place(sequence, this.#slots, this.#store, { canCut: this.#limits.canCut ?? true, gather: this.#limits.gather ?? false });
    if (wanted === undefined) return "no room";
    if (wanted === "wait") return "waits";
    const placement = [wanted, ...inPlace(wanted, this.#slots)].find((each) => this.#makeRoomFor(sequence, each));
    if (!placement) return "no room";

    const slot = this.#slots[placement.slot]!;
    this.#bring(placement, slot);
    this.#waiting.take(sequence);
    slot.owner = sequence;
    sequence.slot = slot.index;
    sequence.computed = placement.keep;
    sequence.cached ??= Math.min(placement.keep, sequence.promptLength);
    this.#running.push(sequence);
    return "admitted";
  }

  /** Evicts idle cells until the sequence can be computed there. @returns false when even that is not enough. */
  #makeRoomFor(sequence: Sequence, placement: Placement): boolean {
    const slot = this.#slots[placement.slot]!;
    const source = this.#sourceOf(placement);
    // What those who run still have to compute is theirs already.
    const promised = this.#running.reduce((n, { needed }) => n + needed + HEADROOM, 0);
    const needed = () => this.#cellsUsed() - slot.content.length + sequence.tokens.length + promised;
    while (needed() > this.#limits.cells) if (!this.#evictOldest(source, slot)) return false;
    return true;
  }

  /** Makes the slot hold what the placement promises and nothing else. */
  #bring(placement: Placement, slot: Slot): void {
    const { keep, source } = placement;
    if (!source) {
      if (keep === slot.content.length) return;
      if (!smallLoss(slot.content, keep)) this.#preserve(slot);
      this.#actions.push({ type: "cut", slot: slot.index, from: keep });
      return;
    }
    this.#evict(slot, this.#sourceOf(placement));
    if (source.from === "slot") {
      this.#actions.push({ type: "copy", source: source.index, slot: slot.index, keep });
      const from = this.#slots[source.index]!;
      if (!from.owner && from.content.length - keep <= TINY_LOSS) this.#clear(from); // it has moved
    } else {
      this.#store.hit(source.entry, this.#now);
      this.#actions.push({ type: "restore", entry: source.entry, slot: slot.index, keep });
    }
  }

  #sourceOf({ source }: Placement): Kept {
    if (source?.from === "slot") return { slot: this.#slots[source.index]! };
    return source ? { entry: source.entry } : {};
  }

  #leave(sequence: Sequence): void {
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#slots[sequence.slot!]!.retire(this.#now);
    sequence.slot = undefined;
  }

  /** Empties the idle slot that was longest unused. @returns false when there is none. */
  #evictOldest(kept: Kept = {}, except?: Slot): boolean {
    const idle = this.#slots.filter((slot) => !slot.owner && slot.content.length > 0 && slot !== kept.slot && slot !== except);
    if (idle.length === 0) return false;
    this.#evict(
      idle.reduce((oldest, slot) => (slot.usedAt < oldest.usedAt ? slot : oldest)),
      kept,
    );
    return true;
  }

  #evict(slot: Slot, kept: Kept = {}): void {
    if (slot.content.length === 0) return;
    this.#preserve(slot, kept);
    this.#clear(slot);
  }

  #clear(slot: Slot): void {
    this.#actions.push({ type: "cut", slot: slot.index, from: 0 });
    slot.empty();
  }

  /** Keeps what the cells of an idle slot hold somewhere else: in an unused slot, in that of somebody longer gone, or in the store. */
  #preserve(slot: Slot, kept: Kept = {}): void {
    if (this.#limits.gather && slot.content.length >= WORTH_A_COPY && this.#move(slot, kept)) return;
    this.#actions.push(...this.#store.save(slot.index, slot.content, this.#now, kept.entry));
  }

  #move(slot: Slot, kept: Kept): boolean {
    const others = this.#slots.filter((other) => !other.owner && other !== slot && other !== kept.slot);
    const age = ({ content, usedAt }: Slot) => (content.length === 0 ? -1 : usedAt);
    // Of equals the highest: the low ones are for those who run.
    const target = others
      .filter((other) => age(other) < slot.usedAt)
      .reduce<Slot | undefined>((oldest, other) => (!oldest || age(other) <= age(oldest) ? other : oldest), undefined);
    if (!target) return false;
    if (target.content.length > 0) {
      this.#actions.push(...this.#store.save(target.index, target.content, this.#now, kept.entry));
      this.#actions.push({ type: "cut", slot: target.index, from: 0 });
    }
    this.#actions.push({ type: "copy", source: slot.index, slot: target.index, keep: slot.content.length });
    target.hold(slot.content, slot.usedAt);
    return true;
  }
}

/** Where the copy of an idle slot has no room: that slot itself. */
function inPlace({ keep, source }: Placement, slots: readonly Slot[]): Placement[] {
  return source?.from === "slot" && !slots[source.index]!.owner ? [{ slot: source.index, keep }] : [];
}

function entry(sequence: Sequence, count: number, draft: readonly number[] = []): PlanEntry {
  const to = sequence.computed + count;
  const samples = to === sequence.tokens.length && sequence.maxTokens > 0;
  return { sequence, slot: sequence.slot!, from: sequence.computed, to, samples, draft };
}
