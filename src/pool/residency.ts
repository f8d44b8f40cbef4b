/**
 * Who may be loaded beside whom: the policy of the memory budget, pure. Asked by waiting-room.ts, which acts on it.
 *
 *   enough room ─▶ enter      idle ones hold it ─▶ retire the least recently used      busy ones hold it ─▶ wait, then drain them
 */

/** A model that holds memory: loading, loaded or on its way out. */
export interface Held {
  readonly id: string;
  readonly bytes: number;
  /** It has requests, or is being loaded. */
  readonly busy: boolean;
  readonly pinned: boolean;
  /** Its memory will be free without anybody's doing. */
  readonly leaving: boolean;
  /** A clock's time of its latest request: smaller is longer ago. */
  readonly usedAt: number;
}

export interface Limits {
  readonly budgetBytes: number;
  /** What a model may take that is alone, be it more than the budget. */
  readonly aloneBytes: number;
  /** Most models at once; Infinity is without limit. */
  readonly maxModels: number;
}

export type Verdict =
  | { readonly kind: "enter" }
  /** These go, as soon as they are idle; then ask again. */
  | { readonly kind: "retire"; readonly ids: readonly string[] }
  /** For others to leave or to become idle. */
  | { readonly kind: "wait" }
  /** It would wait for ever. */
  | { readonly kind: "refuse"; readonly because: "too_large" | "pinned" };

/**
 * @param need bytes of the newcomer.
 * @param drain Whether it has waited long enough for busy ones to be told to go: they finish what they have and take nothing new.
 * Without it idle ones go only where that is enough.
 */
export function makeRoom(need: number, held: readonly Held[], limits: Limits, { drain }: { drain: boolean }): Verdict {
  const fitsBeside = (stay: readonly Held[]) => fits(need, stay, limits);
  if (!fitsBeside([])) return { kind: "refuse", because: "too_large" };
  if (fitsBeside(held)) return { kind: "enter" };
  const staying = held.filter(({ leaving }) => !leaving);
  if (!fitsBeside(staying.filter(({ pinned }) => pinned))) return { kind: "refuse", because: "pinned" };
  if (fitsBeside(staying)) return { kind: "wait" };
  const oldestFirst = staying.filter(({ pinned }) => !pinned).sort((a, b) => a.usedAt - b.usedAt);
  const idle = oldestFirst.filter(({ busy }) => !busy);
  const candidates = drain ? [...idle, ...oldestFirst.filter(({ busy }) => busy)] : idle;
  const ids = fewest(candidates, staying, fitsBeside);
  return ids ? { kind: "retire", ids } : { kind: "wait" };
}

/** Whom to let go because models have grown: idle ones, least recently used first, and never the last one that is loaded. */
export function overgrown(held: readonly Held[], budgetBytes: number): readonly string[] {
  let staying = held.filter(({ leaving }) => !leaving);
  const idle = staying.filter(({ pinned, busy }) => !pinned && !busy).sort((a, b) => a.usedAt - b.usedAt);
  const ids: string[] = [];
  for (const { id } of idle) {
    if (staying.length <= 1 || total(staying) <= budgetBytes) break;
    staying = staying.filter((other) => other.id !== id);
    ids.push(id);
  }
  return ids;
}

function fits(need: number, stay: readonly Held[], { budgetBytes, aloneBytes, maxModels }: Limits): boolean {
  if (stay.length === 0) return need <= Math.max(budgetBytes, aloneBytes);
  return stay.length < maxModels && total(stay) + need <= budgetBytes;
}

/** As many as needed in the given order, less those that turn out not to be needed; undefined if all of them are not enough. */
function fewest(candidates: readonly Held[], staying: readonly Held[], enough: (stay: readonly Held[]) => boolean): string[] | undefined {
  const gone = new Set<Held>();
  const without = () => staying.filter((each) => !gone.has(each));
  for (const each of candidates) {
    if (enough(without())) break;
    gone.add(each);
  }
  if (!enough(without())) return undefined;
  // A small one that was unused longest is spared if the large one after it made all the room.
  for (const each of [...gone].reverse()) {
    gone.delete(each);
    if (!enough(without())) gone.add(each);
  }
  return [...gone].map(({ id }) => id);
}

function total(held: readonly Held[]): number {
  return held.reduce((sum, { bytes }) => sum + bytes, 0);
}
