/** How an alert goes from ok over pending to firing and back. Pure: no clock, no metrics. Called by watch.ts. */
import type { AlertState } from "../../contract/alerts.ts";

export interface Phase {
  readonly state: AlertState;
  /** When it came into this state; milliseconds since the epoch. */
  readonly since: number;
}

/**
 * As in Prometheus: the condition must hold at every look for the whole hold time; where nothing can be told it does not hold.
 * @returns the same object if nothing changed
 */
export function next(phase: Phase, holds: boolean, now: number, holdSeconds: number): Phase {
  if (!holds) return phase.state === "ok" ? phase : { state: "ok", since: now };
  if (phase.state === "firing") return phase;
  const since = phase.state === "pending" ? phase.since : now;
  if (now - since >= holdSeconds * 1000) return { state: "firing", since: now };
  return phase.state === "pending" ? phase : { state: "pending", since: now };
}
