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
}

/** In place, a conversation may lose this many tokens of its end, or a quarter of what is kept; */
const SMALL_LOSS = 64;
/** but only this many while an empty slot could take a copy. */
const TINY_LOSS = 16;

/** "wait": somebody else is computing what it needs. Undefined: no slot is idle. */
export function place(
  sequence: Sequence,
  slots: readonly SlotView[],
  store: PrefixStore,
  options: PlacementOptions,
): Placement | "wait" | undefined {
  const idle = slots.filter(({ owner }) => owner === undefined);
  if (idle.length === 0) return undefined;
  // One token must be computed, for its logits.
  const wanted: Content = { tokens: sequence.tokens, length: sequence.tokens.length - 1, salt: sequence.salt };
  const usable = (content: Content) => {
    const shared = sharedLength(content, wanted);
    return options.canCut || shared === content.length ? shared : 0;
  };

  const found = bestSlot(slots, usable);
  const stored = store.best(wanted);
  const storedKeep = stored ? usable(stored.content) : 0;
  const keep = Math.max(found?.keep ?? 0, storedKeep);
  if (soonElsewhere(sequence, slots) >= keep + WORTH_A_COPY) return "wait";

  if (found && found.keep === keep && !found.slot.owner) {
    const loss = found.slot.content.length - keep;
    const spare = idle.some(({ content }) => content.length === 0);
    if (loss <= TINY_LOSS || (!spare && smallLoss(found.slot.content, keep))) return { slot: found.slot.index, keep };
  }
  const target = leastLoss(idle, found?.slot);
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
  const wanted: Content = { tokens: sequence.tokens, length: sequence.tokens.length - 1, salt: sequence.salt };
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

/** An empty slot, else the one longest unused; the source of a copy only when there is no other. Of equals the lowest. */
function leastLoss(idle: readonly SlotView[], source: SlotView | undefined): SlotView {
  const others = idle.filter((slot) => slot !== source);
  const candidates = others.length > 0 ? others : idle;
  const loss = ({ content, usedAt }: SlotView) => (content.length === 0 ? -1 : usedAt);
  return candidates.reduce((least, slot) => (loss(slot) < loss(least) ? slot : least));
}
