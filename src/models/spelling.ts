/** "Did you mean": how near two ids are. Called by `resolve.ts`. Pure. */

/** Longer names are compared by their start: the cost grows with the product of the lengths. */
const MAX_COMPARED = 128;

/** The ids, those spelled like `name` first, nearest first; the others after them as they came. */
export function nearestFirst(name: string, ids: readonly string[]): string[] {
  const ranked = ids.map((id, index) => ({ id, index, distance: distanceIfNear(name.toLowerCase(), id.toLowerCase()) }));
  return ranked.sort((a, b) => a.distance - b.distance || a.index - b.index).map(({ id }) => id);
}

/** Infinity unless one contains the other or at most a third (at least two letters) differs. */
function distanceIfNear(name: string, id: string): number {
  if (name === "") return Number.POSITIVE_INFINITY;
  if (name.length >= 3 && (id.includes(name) || name.includes(id))) return 0.5;
  const distance = editDistance(name, id);
  return distance <= Math.max(2, Math.floor(id.length / 3)) ? distance : Number.POSITIVE_INFINITY;
}

/** Levenshtein distance: insertions, deletions, substitutions. */
export function editDistance(a: string, b: string): number {
  const left = a.slice(0, MAX_COMPARED);
  const right = b.slice(0, MAX_COMPARED);
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substituted = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
