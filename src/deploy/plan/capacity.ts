/**
 * How many requests an instance answers, and how long they take: a queue whose rate depends on how many are in it. Called by
 * planner.ts. Pure.
 *
 *     D(c)   tokens a second that c answers get together: measured, linear between, flat beyond the last
 *     μ(c) = 1 / (P/F + A/D(c))      requests a second while c are worked on; P prompt and A answer tokens, F prompt tokens a second
 *     π(n) ∝ Π λ/μ(min(i, s)), i = 1…n      so often n requests are there: Poisson arrivals λ, s slots, all others wait (M/M/s with
 *                                           a rate for each number; Kleinrock, Queueing Systems I, 3.1)
 *     T95  = (n + 1) / μ(min(n + 1, s))     n: the 95th percentile of π. Who meets n others takes so long while the number stays (Little)
 */

export interface Rates {
  /** Prompt tokens a second, of all clients together. */
  readonly prefillPerSecond: number;
  /** Answer tokens a second of all clients together; at least one, clients ascending. */
  readonly decode: ReadonlyArray<{ readonly clients: number; readonly perSecond: number }>;
}

export interface Shape {
  readonly promptTokens: number;
  readonly answerTokens: number;
}

const PERCENTILE = 0.95;

/** μ: never falls, and 1/μ(c) · c never falls, whatever noise the measurement had. @returns requests a second with c ≥ 1 at work */
export function serviceRate({ prefillPerSecond, decode }: Rates, { promptTokens, answerTokens }: Shape): (atWork: number) => number {
  const points = smoothed(decode);
  return (atWork) => 1 / (promptTokens / prefillPerSecond + answerTokens / valueAt(points, atWork));
}

/**
 * More clients never get less together, nor one of them more: else a plan would lean on a chance of the measurement. The first point
 * stands for fewer clients, in proportion.
 */
function smoothed(decode: Rates["decode"]): Rates["decode"] {
  const points: Array<{ clients: number; perSecond: number }> = [];
  for (const { clients, perSecond } of decode) {
    const last = points.at(-1);
    const most = last === undefined ? perSecond : (last.perSecond * clients) / last.clients;
    points.push({ clients, perSecond: Math.min(Math.max(perSecond, last?.perSecond ?? 0), most) });
  }
  return points;
}

function valueAt(points: Rates["decode"], clients: number): number {
  const after = points.findIndex((point) => point.clients >= clients);
  if (after < 0) return points.at(-1)!.perSecond;
  const high = points[after]!;
  const low = points[after - 1] ?? { clients: 0, perSecond: 0 };
  return low.perSecond + ((high.perSecond - low.perSecond) * (clients - low.clients)) / (high.clients - low.clients);
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
