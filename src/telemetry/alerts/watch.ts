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
import { filled } from "./notice.ts";
import type { AlertRule } from "./rule.ts";
import { next, type Phase } from "./state.ts";

export interface WatchOptions {
  readonly rules: readonly AlertRule[];
  readonly view: MetricsView;
  readonly log: Logger;
  readonly intervalMs: number;
  /** How others tell this server from others: `host:port`. */
  readonly instance: string;
  /** It fires, or has ended. What fires on is told again, as often as its rule says. */
  readonly tell: (alert: AlertStatus, interval: AlertInterval) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

interface Watched {
  readonly rule: AlertRule;
  phase: Phase;
  value: number | undefined;
  limit: number | undefined;
  silencedUntil: number;
  /** That it fires: since when, and when it was told last. */
  told: { readonly startsAt: number; readonly at: number } | undefined;
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
    this.#watched = options.rules.map((rule) => ({
      ...{ rule, phase, value: undefined, limit: undefined },
      ...{ silencedUntil: 0, told: undefined },
    }));
  }

  statuses(): readonly AlertStatus[] {
    return this.#watched.map((watched) => this.#status(watched));
  }

  silence(name: string, seconds: number): AlertStatus | undefined {
    const watched = this.#watched.find(({ rule }) => rule.name === name);
    if (!watched) return undefined;
    watched.silencedUntil = this.#now() + seconds * 1000;
    this.#options.log.info("alert silenced", { alert: name, seconds });
    this.#notify(watched);
    return this.#status(watched);
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
    for (const watched of this.#watched) if (watched.rule.notice.enabled) this.#judge(watched);
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
    if (watched.phase.state !== before.state) this.#log(this.#status(watched));
    this.#notify(watched);
  }

  /** That it fires is told once it is not silenced; that it has ended to those who were told that it fires, silenced or not. */
  #notify(watched: Watched): void {
    const { rule, phase, told, silencedUntil } = watched;
    const now = this.#now();
    const { repeatSeconds } = rule.notice;
    if (phase.state !== "firing") {
      watched.told = undefined;
      if (told) this.#options.tell(this.#status(watched), { startsAt: told.startsAt, endsAt: phase.since });
    } else if (now >= silencedUntil && (!told || (repeatSeconds > 0 && now - told.at >= repeatSeconds * 1000))) {
      watched.told = { startsAt: phase.since, at: now };
      this.#options.tell(this.#status(watched), { startsAt: phase.since });
    }
  }

  #log({ name, state, condition, value, limit, unit }: AlertStatus): void {
    const fields = { alert: name, state, value: readable(value, unit), limit: readable(limit, unit), condition };
    if (state === "firing") this.#options.log.warn("alert", fields);
    else this.#options.log.info("alert", fields);
  }

  #status({ rule, phase, value, limit, silencedUntil }: Watched): AlertStatus {
    const { name, text, unit, windowSeconds, holdSeconds, notice } = rule;
    const { enabled, severity, labels, repeatSeconds } = notice;
    return {
      ...{ name, condition: text, ...phase, value, limit, unit, windowSeconds, holdSeconds },
      ...{ enabled, severity, labels, repeatSeconds, ...wordsOf(rule, value, limit, this.#options.instance) },
      ...(silencedUntil > this.#now() && { silencedUntil }),
    };
  }
}

function wordsOf({ name, text, unit, notice }: AlertRule, value: number | undefined, limit: number | undefined, instance: string) {
  const reading = readable(value, unit);
  const written = (words: string) => filled(words, { value: reading, instance });
  return {
    summary: notice.summary === undefined ? `${name} is ${reading}, its limit is ${readable(limit, unit)}` : written(notice.summary),
    description: notice.description === undefined ? `The condition is ${text}` : written(notice.description),
  };
}
