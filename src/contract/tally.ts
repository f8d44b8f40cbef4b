/**
 * A histogram as numbers: what an engine and the server count with on their hot paths, and what travels to the metrics.
 * It must not know what is counted, nor how it is told.
 */

export interface TallyCounts {
  /** Upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[];
  /** How many values each bucket holds (not those below it), and last how many are above all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export class Tally implements TallyCounts {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]! += 1;
    this.sum += value;
  }

  /** As it is now, to be kept or sent. */
  snapshot(): TallyCounts {
    return { bounds: this.bounds, counts: [...this.counts], sum: this.sum };
  }
}

/**
 * Where a share of the values lies below: linear within its bucket, the last bound for what is above all (as Prometheus' histogram_quantile).
 * @param quantile 0 to 1. @returns undefined when there is no value.
 */
export function quantileOf({ bounds, counts }: Pick<TallyCounts, "bounds" | "counts">, quantile: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = quantile * total;
  let below = 0;
  for (const [i, bound] of bounds.entries()) {
    const count = counts[i]!;
    if (count > 0 && below + count >= rank) {
      const lower = i === 0 ? Math.min(0, bound) : bounds[i - 1]!;
      return lower + (bound - lower) * Math.max(0, (rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-1);
}
