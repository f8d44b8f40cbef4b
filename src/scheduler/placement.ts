/**
 * Where a sequence begins: in which slot, and how much of its prompt is there already or can be brought there. One pure function,
 * called by scheduler.ts for each sequence that is to be admitted.
 *
 *   the slot itself holds the beginning      go on in place         (another conversation that holds more is not overwritten
 *   another slot or the store holds it       copy it here            while there is a slot that is less of a loss)
 *   somebody computes it at this moment      wait for him
 *   nobody has it                            the slot that is the least loss
 */
import { type Content, sharedLength, WORTH_A_COPY } from "./cells.ts";
import type { Sequence } from "./sequence.ts";
import type { PrefixStore } from "./store.ts";

export interface SlotView {
  readonly index: number;
  /** What its cells hold now. */
  readonly content: Content;
  /** Who computes in it; undefined: idle. */
  readonly owner: Sequence | undefined;
  /** When it was last computed in; larger is later. */
  readonly usedAt: number;
}

export type Source = { readonly from: "slot"; readonly index: number } | { readonly from: "store"; readonly entry: number };

export interface Placement {
  readonly slot: number;
  /** Tokens that need not be computed. */
  readonly keep: number;
  /** Where they are to be copied from; absent: they are in the slot. */
  readonly source?: Source;
}

export interface PlacementOptions {
  /** Cells can be forgotten from any position on; recurrent models only keep or lose all of a sequence. */
  readonly canCut: boolean;
  /** Steps are cheaper when those who run have neighbouring slots: separate streams, which libllama computes in runs of them. */
  readonly gather: boolean;
}

/** In place, a conversation may lose this many tokens of its end, or a quarter of what is kept; */
const SMALL_LOSS = 64;
/** but only this many while an empty slot could take a copy. */
export const TINY_LOSS = 16;

/** A conversation longer than this stays where it is, though its slot be far from the others. */
const TOO_LONG_TO_MOVE = 2048;

/** "wait": somebody else is computing what it needs. Undefined: no slot is idle. */
export function place(
  sequence: Sequence,
  slots: readonly SlotView[],
  store: PrefixStore,
  options: PlacementOptions,
): Placement | "wait" | undefined {
  const idle = slots.filter(({ owner }) => owner === undefined);
  if (idle.length === 0) return undefined;
  const wanted: Content = { tokens: sequence.tokens, length: sequence.reusable, salt: sequence.salt };
  const usable = (content: Content) => {
    const shared = sharedLength(content, wanted);
    return options.canCut || shared === content.length ? shared : 0;
  };

  const found = bestSlot(slots, usable);
  const stored = store.best(wanted);
  const storedKeep = stored ? usable(stored.content) : 0;
  const keep = Math.max(found?.keep ?? 0, storedKeep);
  if (soonElsewhere(sequence, slots) >= keep + WORTH_A_COPY) return "wait";

  const apart = (index: number) => (options.gather ? groupsWith(index, slots) : 0);
  const best = leastLoss(idle, found?.slot, apart);
  if (found && found.keep === keep && !found.slot.owner) {
    const loss = found.slot.content.length - keep;
    const spare = idle.some(({ content }) => content.length === 0);
    // Where it would stand apart from those who run, it moves to them.
    const near = keep > TOO_LONG_TO_MOVE || apart(found.slot.index) <= apart(best.index);
    if (near && (loss <= TINY_LOSS || (!spare && smallLoss(found.slot.content, keep)))) return { slot: found.slot.index, keep };
  }
  const target = best;
  if (found && found.keep === keep && target === found.slot) return { slot: target.index, keep };
  if (keep < WORTH_A_COPY) return { slot: target.index, keep: usable(target.content) };
  const source: Source = found && found.keep === keep ? { from: "slot", index: found.slot.index } : { from: "store", entry: stored!.entry };
  return { slot: target.index, keep, source };
}

/** Of equals an idle slot, which needs no copy. */
function bestSlot(slots: readonly SlotView[], usable: (content: Content) => number): { slot: SlotView; keep: number } | undefined {
  let best: { slot: SlotView; keep: number } | undefined;
  for (const slot of slots) {
    const keep = usable(slot.content);
    if (keep > 0 && (!best || keep > best.keep || (keep === best.keep && best.slot.owner && !slot.owner))) best = { slot, keep };
  }
  return best;
}

/** How much of the prompt a running sequence will have computed once its own prompt is. */
function soonElsewhere(sequence: Sequence, slots: readonly SlotView[]): number {
  const wanted: Content = { tokens: sequence.tokens, length: sequence.reusable, salt: sequence.salt };
  let most = 0;
  for (const { owner } of slots) {
    if (!owner || owner.computed >= owner.promptLength) continue;
    most = Math.max(most, sharedLength({ tokens: owner.tokens, length: owner.promptLength, salt: owner.salt }, wanted));
  }
  return most;
}

/** Whether it is no harm that the slot keeps only so much of its content. */
export function smallLoss(content: Content, keep: number): boolean {
  return content.length - keep <= Math.max(SMALL_LOSS, keep / 4);
}

/** Into how many groups of neighbours those who run would fall with this slot. */
function groupsWith(index: number, slots: readonly SlotView[]): number {
  const runs = (slot: SlotView | undefined) => slot !== undefined && (slot.owner !== undefined || slot.index === index);
  return slots.filter((slot, i) => runs(slot) && !runs(slots[i - 1])).length;
}

/**
 * The fewest groups, then an empty slot, else the one longest unused; the source of a copy only when there is no other. Of equals the
 * lowest.
 */
function leastLoss(idle: readonly SlotView[], source: SlotView | undefined, apart: (index: number) => number): SlotView {
  const others = idle.filter((slot) => slot !== source);
  const candidates = others.length > 0 ? others : idle;
  const loss = ({ content, usedAt }: SlotView) => (content.length === 0 ? -1 : usedAt);
  const worse = (a: SlotView, b: SlotView) => apart(a.index) - apart(b.index) || loss(a) - loss(b);
  return candidates.reduce((least, slot) => (worse(slot, least) < 0 ? slot : least));
}
