/** Requests as many users send them: Poisson arrivals, log-normal lengths, system prompts that some share. Pure, and the same for a seed. */

import { random } from "../../src/bench/workloads/words.ts";
import type { Arrival } from "../../src/scheduler/sequence.ts";

export interface TrafficOptions {
  readonly requests: number;
  /** Arrivals a second, on average. */
  readonly rate: number;
  readonly seed: number;
  /** Longest prompt and answer together. */
  readonly context: number;
}

export interface SimulatedRequest extends Arrival {
  readonly atMs: number;
  /** Length of its answer: there it ends by itself, or because that is its limit. */
  readonly answer: number;
}

/** Log-normal: median and the standard deviation of the logarithm; the tails that chat logs have. */
const USER_PART = { median: 180, sigma: 1.0, least: 4, most: 3_000 };
const ANSWER = { median: 150, sigma: 0.8, least: 1, most: 1_000 };
const SYSTEM_PROMPTS = 24;
const SYSTEM_PART = { median: 500, sigma: 0.6, least: 50, most: 2_000 };
/** Share of the requests that have one of the system prompts; the first ones are the most popular (Zipf). */
const WITH_SYSTEM_PROMPT = 0.7;
const VOCABULARY = 50_000;

export function traffic({ requests, rate, seed, context }: TrafficOptions): SimulatedRequest[] {
  const next = random(seed);
  const tokens = (length: number) => Array.from({ length }, () => Math.floor(next() * VOCABULARY));
  const systems = Array.from({ length: SYSTEM_PROMPTS }, () => tokens(logNormal(next, SYSTEM_PART)));
  let atMs = 0;
  return Array.from({ length: requests }, (_, key) => {
    atMs += (-Math.log(1 - next()) / rate) * 1000;
    const system = next() < WITH_SYSTEM_PROMPT ? systems[zipf(next, SYSTEM_PROMPTS)]! : [];
    const answer = logNormal(next, ANSWER);
    const prompt = [...system, ...tokens(logNormal(next, USER_PART))].slice(0, context - answer);
    return { key, atMs, prompt, answer, maxTokens: next() < 0.5 ? answer : 2 * ANSWER.most };
  });
}

function logNormal(next: () => number, { median, sigma, least, most }: typeof ANSWER): number {
  // Box-Muller.
  const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return Math.min(most, Math.max(least, Math.round(median * Math.exp(sigma * normal))));
}

/** An index, each one by its rank less likely. */
function zipf(next: () => number, count: number): number {
  const weights = Array.from({ length: count }, (_, i) => 1 / (i + 1));
  const wanted = next() * weights.reduce((sum, weight) => sum + weight, 0);
  let passed = 0;
  for (const [i, weight] of weights.entries()) {
    passed += weight;
    if (wanted < passed) return i;
  }
  return count - 1;
}
