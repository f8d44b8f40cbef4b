/** What the slots of an engine do, for who asks (GET /slots). Called by loop.ts; counts only, never a token. Pure. */
import type { SlotStatus } from "../contract/inspection.ts";
import type { Sequence } from "../scheduler/sequence.ts";

type Runs = Pick<Sequence, "promptLength" | "computed" | "cached" | "generated">;

/** @param owners who runs in each slot, by its index */
export function slotReport(owners: ReadonlyArray<Runs | undefined>, contextTokens: number): SlotStatus[] {
  return owners.map((owner, id) => {
    if (!owner) return { id, contextTokens };
    const { promptLength, generated, computed, cached = 0 } = owner;
    const computedTokens = Math.max(0, Math.min(computed, promptLength) - cached);
    return { id, contextTokens, work: { promptTokens: promptLength, cachedTokens: cached, computedTokens, generatedTokens: generated } };
  });
}
