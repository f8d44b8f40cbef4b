/**
 * How sure a mean of paired measurements is: a bootstrap over sets and the rounds within them. What a set has in common (which processes it
 * got, what the machine did meanwhile) is no accident of its rounds, so whole sets are drawn. Pure; used by metrics-cost.ts.
 */

export interface Interval {
  readonly mean: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
}

const DRAWS = 4000;

/** @param sets of rounds, none empty. Two sets at least, or the interval is that of chance within the one. */
export function clusterInterval(sets: ReadonlyArray<readonly number[]>, seed = 1): Interval {
  const random = mulberry32(seed);
  const draw = <T>(from: readonly T[]): T[] => from.map(() => from[Math.floor(random() * from.length)]!);
  const means = Array.from({ length: DRAWS }, () => mean(draw(sets).map((rounds) => mean(draw(rounds))))).sort((a, b) => a - b);
  return { mean: mean(sets.map(mean)), low: means[Math.floor(DRAWS * 0.025)]!, high: means[Math.ceil(DRAWS * 0.975) - 1]! };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A small generator of numbers from 0 to 1, so that a report says the same again. Source: Tommy Ettinger's mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
