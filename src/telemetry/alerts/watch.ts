/**
 * Looks at the metrics every few seconds and keeps the state of each alert. Made by open.ts; it must not know where metrics come from or
 * how anybody is told.
 */
import type { AlertStatus, Alerts } from "../../contract/alerts.ts";
import { ShimmyError } from "../../contract/errors.ts";
import type { MetricsView } from "../../contract/observation.ts";
import type { Logger } from "../log.ts";
import { evaluate, holds } from "./evaluate.ts";
import { type AlertInterval, readable } from "./message.ts";
import type { AlertRule } from "./rule.ts";
import { next, type Phase } from "./state.ts";

export interface WatchOptions {
  readonly rules: readonly AlertRule[];
  readonly view: MetricsView;
  readonly log: Logger;
  readonly intervalMs: number;
  /** It began to fire, or has ended. */
  readonly tell: (alert: AlertStatus, interval: AlertInterval) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

interface Watched {
  readonly rule: AlertRule;
  phase: Phase;
  value: number | undefined;
  limit: number | undefined;
}

export class AlertWatch implements Alerts {
  readonly #options: WatchOptions;
  readonly #now: () => number;
  readonly #watched: readonly Watched[];
  #samples = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const phase: Phase = { state: "ok", since: this.#now() };
    this.#watched = options.rules.map((rule) => ({ rule, phase, value: undefined, limit: undefined }));
  }

  statuses(): readonly AlertStatus[] {
    return this.#watched.map(statusOf);
  }

  /** Until `stop`; it keeps no process alive. */
  start(): void {
    this.#timer = setTimeout(() => {
      void this.look().then(() => {
        if (!this.#stopped) this.start();
      });
    }, this.#options.intervalMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** One look. Never rejects: what goes wrong here is logged, and must not end the looking. */
  async look(): Promise<void> {
    try {
      await this.#options.view.sample();
      this.judge();
    } catch (error) {
      this.#options.log.error("alerts were not looked at", { err: ShimmyError.from(error) });
    }
  }

  /** From the latest sample. */
  judge(): void {
    this.#samples++;
    for (const watched of this.#watched) this.#judge(watched);
  }

  #judge(watched: Watched): void {
    const { rule, phase: before } = watched;
    const { windowSeconds, averages } = rule;
    const outlook = { view: this.#options.view, windowSeconds, averages, sampledTwice: this.#samples > 1 };
    const value = evaluate(rule.left, outlook);
    const limit = evaluate(rule.right, outlook);
    const met = value !== undefined && limit !== undefined && holds(rule.comparison, value, limit);
    const now = this.#now();
    Object.assign(watched, { value, limit, phase: next(before, met, now, rule.holdSeconds) });
    if (watched.phase.state === before.state) return;
    const status = statusOf(watched);
    this.#log(status);
    if (status.state === "firing") this.#options.tell(status, { startsAt: now });
    else if (before.state === "firing") this.#options.tell(status, { startsAt: before.since, endsAt: now });
  }

  #log({ name, state, condition, value, limit, unit }: AlertStatus): void {
    const fields = { alert: name, state, value: readable(value, unit), limit: readable(limit, unit), condition };
    if (state === "firing") this.#options.log.warn("alert", fields);
    else this.#options.log.info("alert", fields);
  }
}

function statusOf({ rule, phase, value, limit }: Watched): AlertStatus {
  const { name, text, unit, windowSeconds, holdSeconds } = rule;
  return { name, condition: text, ...phase, value, limit, unit, windowSeconds, holdSeconds };
}
