/**
 * How many requests an instance answers, and how long they take: a queue whose rate depends on how many are in it. Called by
 * planner.ts. Pure.
 *
 *     D(c)   tokens a second that c answers get together: measured, linear between, flat beyond the last
 *     F(c)   prompt tokens a second while c are there, likewise
 *     μ(c) = 1 / (P/F(c) + A/D(c))   requests a second while c are worked on; P prompt and A answer tokens
 *     π(n) ∝ Π λ/μ(min(i, s)), i = 1…n      so often n requests are there: Poisson arrivals λ, s slots, all others wait (M/M/s with
 *                                           a rate for each number; Kleinrock, Queueing Systems I, 3.1)
 *     T95  = (n + 1) / μ(min(n + 1, s))     n: the 95th percentile of π. Who meets n others takes so long while the number stays (Little)
 */

/** Of all clients together; at least one point, clients ascending. */
export type Rates = ReadonlyArray<{ readonly clients: number; readonly prefillPerSecond: number; readonly decodePerSecond: number }>;

export interface Shape {
  readonly promptTokens: number;
  readonly answerTokens: number;
}

const PERCENTILE = 0.95;

/**
 * μ. More at work never get less done together, nor one of them more alone, whatever noise the measurement had: else a plan would lean on a
 * chance of it. @returns requests a second with c ≥ 1, whole, at work
 */
export function serviceRate(rates: Rates, { promptTokens, answerTokens }: Shape): (atWork: number) => number {
  const table = [0];
  const most = rates.at(-1)!.clients;
  for (let c = 1; c <= most; c++) {
    const { prefillPerSecond, decodePerSecond } = between(rates, c);
    const raw = 1 / (promptTokens / prefillPerSecond + answerTokens / decodePerSecond);
    const before = table[c - 1]!;
    table.push(c === 1 ? raw : Math.min(Math.max(raw, before), (before * c) / (c - 1)));
  }
  return (atWork) => table[Math.min(atWork, most)]!;
}

/** Linear between two points; the first stands for fewer clients too. */
function between(rates: Rates, clients: number): Omit<Rates[number], "clients"> {
  const high = rates.find((point) => point.clients >= clients) ?? rates.at(-1)!;
  const low = rates.findLast((point) => point.clients <= clients) ?? high;
  const share = high === low ? 0 : (clients - low.clients) / (high.clients - low.clients);
  const mix = (a: number, b: number) => a + (b - a) * share;
  return {
    prefillPerSecond: mix(low.prefillPerSecond, high.prefillPerSecond),
    decodePerSecond: mix(low.decodePerSecond, high.decodePerSecond),
  };
}

/** T95 in seconds; Infinity where more come than are answered. @param arrivals λ, requests a second */
export function latency95(rate: (atWork: number) => number, slots: number, arrivals: number): number {
  const present = presentAt95(rate, slots, arrivals);
  return Number.isFinite(present) ? (present + 1) / rate(Math.min(present + 1, slots)) : Number.POSITIVE_INFINITY;
}

/** The least n with P(N ≤ n) ≥ 95 %. Beyond the slots π is geometric, so its tail has a closed form. */
function presentAt95(rate: (atWork: number) => number, slots: number, arrivals: number): number {
  const load = arrivals / rate(slots);
  if (load >= 1) return Number.POSITIVE_INFINITY;
  const weights = [1];
  for (let n = 1; n <= slots; n++) weights.push((weights[n - 1]! * arrivals) / rate(n));
  const tail = (weights[slots]! * load) / (1 - load);
  const all = weights.reduce((sum, weight) => sum + weight, tail);
  let below = 0;
  for (let n = 0; n <= slots; n++) {
    below += weights[n]!;
    if (below >= PERCENTILE * all) return n;
  }
  // P(N > s + k) = tail · loadᵏ ≤ 5 %
  return slots + Math.max(1, Math.ceil(Math.log(((1 - PERCENTILE) * all) / tail) / Math.log(load)));
}
