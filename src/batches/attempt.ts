/**
 * One request of a batch until it has an answer: what the server cannot take now is asked again later, for nobody waits for it. Called by
 * run.ts; the end of the batch's time ends the asking.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatch, Errand, ErrandAnswer } from "../contract/batches.ts";

export interface AttemptOptions {
  readonly dispatch: Dispatch;
  /** Resolves early when the signal is aborted. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** An engine that died is there again soon; a model that cannot be loaded is not. */
const MOST_FAILURES = 3;
const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/** @returns undefined when the signal was aborted before there was an answer. */
export async function attempt(errand: Errand, { dispatch, wait = waitFor }: AttemptOptions): Promise<ErrandAnswer | undefined> {
  for (let refused = 0, failures = 0; !errand.signal.aborted; refused++) {
    const answer = await dispatch(errand);
    if (answer.status === 503) failures++;
    const final = answer.status !== 429 && (answer.status !== 503 || failures === MOST_FAILURES);
    // What was cut off is no answer; what was whole before stays one.
    if (errand.signal.aborted) return answer.status === 200 ? answer : undefined;
    if (final) return answer;
    const patience = answer.retryAfterMs ?? SHORTEST_WAIT_MS * 2 ** Math.min(refused, 10);
    await wait(Math.min(Math.max(patience, SHORTEST_WAIT_MS), LONGEST_WAIT_MS), errand.signal);
  }
  return undefined;
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined); // an abort is seen by whoever waits
}
