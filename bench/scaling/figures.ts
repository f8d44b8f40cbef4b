/** Scenes → figures, and what must never be. Pure; used by run.ts and by tests. */
import { percentile } from "../../src/bench/measure/figures.ts";
import type { Ending, Outcome } from "./request.ts";
import type { Scene } from "./scene.ts";

export interface ScalingFigures extends Readonly<Record<Ending, number>> {
  readonly sent: number;
  /** Requests that more than one instance has answered with text: allowed while the client had read nothing. */
  readonly generatedTwice: number;
  /** The same after the client had read text, and answers glued together of two: must never be. */
  readonly wronglyRetried: number;
  /** Of a session's requests, the part that its most frequent instance answered. */
  readonly affinity: number;
  readonly cachedShare: number;
  readonly ttftP50: number;
  readonly ttftP95: number;
  readonly tokensPerSecond: number;
  /** Why requests were not finished, and how often. */
  readonly reasons: ReadonlyMap<string, number>;
}

export function figuresOf(scenes: readonly Scene[]): ScalingFigures {
  const outcomes = scenes.flatMap((each) => each.outcomes);
  const finished = outcomes.filter(({ ending }) => ending === "finished");
  const answeredBy = answers(scenes);
  const several = outcomes.filter(({ id }) => (answeredBy.get(id)?.length ?? 0) > 1);
  const sum = (of: (outcome: Outcome) => number) => finished.reduce((total, each) => total + of(each), 0);
  const ttfts = finished.flatMap(({ firstTextMs, sentMs }) => (firstTextMs === undefined ? [] : [firstTextMs - sentMs]));
  const count = (ending: Ending) => outcomes.filter((each) => each.ending === ending).length;
  return {
    sent: outcomes.length,
    ...{ finished: finished.length, lost: count("lost"), cut: count("cut"), truncated: count("truncated") },
    generatedTwice: several.length,
    wronglyRetried: outcomes.filter((each) => each.mixed || isWrong(each, answeredBy.get(each.id) ?? [])).length,
    affinity: affinityOf(outcomes, answeredBy),
    cachedShare: sum(({ cachedTokens }) => cachedTokens) / sum(({ promptTokens }) => promptTokens),
    ttftP50: percentile(ttfts, 0.5),
    ttftP95: percentile(ttfts, 0.95),
    tokensPerSecond: (sum(({ completionTokens }) => completionTokens) * 1000) / scenes.reduce((total, { ms }) => total + ms, 0),
    reasons: reasonsOf(outcomes),
  };
}

/** Client's id → the instances that answered it with text. */
function answers(scenes: readonly Scene[]): ReadonlyMap<string, readonly number[]> {
  const by = new Map<string, number[]>();
  for (const { traceId, instance, status, completionTokens } of scenes.flatMap(({ receipts }) => receipts)) {
    if (status !== 200 || completionTokens === 0) continue;
    by.set(traceId, [...(by.get(traceId) ?? []), instance]);
  }
  return by;
}

/** A client that was cut off after it had read text, and yet somebody has answered the whole request. */
function isWrong({ ending, firstTextMs }: Outcome, answeredBy: readonly number[]): boolean {
  return ending === "cut" && firstTextMs !== undefined && answeredBy.length > 0;
}

function affinityOf(outcomes: readonly Outcome[], answeredBy: ReadonlyMap<string, readonly number[]>): number {
  const sessions = new Map<string, number[]>();
  for (const { id, session } of outcomes) {
    const instance = answeredBy.get(id)?.at(-1);
    if (instance !== undefined) sessions.set(session, [...(sessions.get(session) ?? []), instance]);
  }
  // One request alone is always with its instance.
  const long = [...sessions.values()].filter(({ length }) => length > 1);
  const most = long.map((list) => Math.max(...list.map((instance) => list.filter((each) => each === instance).length)));
  return most.reduce((sum, each) => sum + each, 0) / long.reduce((sum, { length }) => sum + length, 0);
}

function reasonsOf(outcomes: readonly Outcome[]): ReadonlyMap<string, number> {
  const reasons = new Map<string, number>();
  for (const { ending, reason } of outcomes) {
    if (reason === undefined) continue;
    const said = `${ending}: ${reason.replace(/[0-9a-f-]{12,}/g, "…").slice(0, 160)}`;
    reasons.set(said, (reasons.get(said) ?? 0) + 1);
  }
  return reasons;
}
