/**
 * What the KV cells hold, token for token, and what is to be done to them before a step. The words between the scheduler, which
 * decides, and the engine, which does; plain data.
 */

/** The first `length` of `tokens`, computed for `salt`. */
export interface Content {
  readonly tokens: readonly number[];
  readonly length: number;
  readonly salt: string;
}

/** Done in the order of the plan. `keep`: how many tokens of the source the slot holds afterwards. */
export type CellAction =
  /** Forget the tokens of the slot from position `from` on. */
  | { readonly type: "cut"; readonly slot: number; readonly from: number }
  /** Copy the cells of one slot to another, empty one. */
  | { readonly type: "copy"; readonly source: number; readonly slot: number; readonly keep: number }
  /** Copy the cells of a slot to the store, under a new number. */
  | { readonly type: "save"; readonly slot: number; readonly entry: number }
  /** Copy an entry of the store to an empty slot; the entry stays. */
  | { readonly type: "restore"; readonly entry: number; readonly slot: number; readonly keep: number }
  /** Free an entry of the store. */
  | { readonly type: "drop"; readonly entry: number };

/** Fewer tokens than this are computed again sooner than copied. */
export const WORTH_A_COPY = 32;

/** How many tokens the two begin with alike; nothing of another salt is alike. */
export function sharedLength(a: Content, b: Content): number {
  if (a.salt !== b.salt) return 0;
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.tokens[length] === b.tokens[length]) length++;
  return length;
}
