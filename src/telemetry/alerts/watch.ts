/**
 * Looks at the metrics every few seconds and keeps the state of each alert. Made by open.ts; it must not know where metrics come from or
 * how anybody is told.
 */
import type { AlertStatus, Alerts } from "../../contract/alerts.ts";
import { ShimmyError } from "../../contract/errors.ts";
import type { MetricsView } from "../../contract/observation.ts";
import type { Logger } from "../log.ts";
import { evaluate, holds } from "./evaluate.ts";
import type { AlertMemory, Recalled } from "./memory.ts";
import { type AlertInterval, readable } from "./message.ts";
import { filled } from "./notice.ts";
import { readingsOf } from "./parse.ts";
import type { AlertRule } from "./rule.ts";
import { next, type Phase } from "./state.ts";

export interface WatchOptions {
  readonly rules: readonly AlertRule[];
  readonly view: MetricsView;
  readonly log: Logger;
  readonly intervalMs: number;
  /** How others tell this server from others: `host:port`. */
  readonly instance: string;
  /** It fires, or has ended. What fires on is told again, as often as its rule says. `taken`: somebody knows now. */
  readonly tell: (alert: AlertStatus, interval: AlertInterval, taken: () => void) => void;
  readonly memory: Pick<AlertMemory, "silenced" | "fires" | "ended">;
  /** From before the restart. */
  readonly recalled: Recalled;
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
  /** Until its window reaches back to the start only: what fired before that fires on. */
  readonly knownFrom: number;
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
    this.#watched = options.rules.map((rule) => this.#begin(rule));
  }

  statuses(): readonly AlertStatus[] {
    return this.#watched.map((watched) => this.#status(watched));
  }

  async silence(name: string, seconds: number): Promise<AlertStatus | undefined> {
    const watched = this.#watched.find(({ rule }) => rule.name === name);
    if (!watched) return undefined;
    watched.silencedUntil = Math.round(this.#now() + seconds * 1000);
    this.#options.log.info("alert silenced", { alert: name, seconds });
    this.#notify(watched);
    await this.#options.memory.silenced(name, watched.silencedUntil);
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

  #begin(rule: AlertRule): Watched {
    const { silences, firing } = this.#options.recalled;
    const now = this.#now();
    const before = rule.notice.enabled ? firing.get(rule.name) : undefined;
    const phase: Phase = before ? { state: "firing", since: before.startsAt } : { state: "ok", since: now };
    return {
      ...{ rule, phase, value: undefined, limit: undefined },
      silencedUntil: silences.get(rule.name) ?? 0,
      told: before?.heard ? { startsAt: before.startsAt, at: before.at } : undefined,
      knownFrom: before && looksBack(rule) ? now + rule.windowSeconds * 1000 : now,
    };
  }

  #judge(watched: Watched): void {
    const { rule, phase: before } = watched;
    const { windowSeconds, averages } = rule;
    const outlook = { view: this.#options.view, windowSeconds, averages, sampledTwice: this.#samples > 1 };
    const value = evaluate(rule.left, outlook);
    const limit = evaluate(rule.right, outlook);
    const met = value !== undefined && limit !== undefined && holds(rule.comparison, value, limit);
    const now = this.#now();
    const firesOn = before.state === "firing" && now < watched.knownFrom;
    Object.assign(watched, { value, limit, phase: next(before, met || firesOn, now, rule.holdSeconds) });
    if (watched.phase.state !== before.state) this.#log(this.#status(watched));
    this.#notify(watched);
  }

  /** That it fires is told once it is not silenced; that it has ended to those who were told that it fires, silenced or not. */
  #notify(watched: Watched): void {
    const { rule, phase, told, silencedUntil } = watched;
    const now = this.#now();
    const { memory, tell } = this.#options;
    const { repeatSeconds } = rule.notice;
    if (phase.state !== "firing") {
      watched.told = undefined;
      if (told) tell(this.#status(watched), { startsAt: told.startsAt, endsAt: phase.since }, () => memory.ended(rule.name));
    } else if (now >= silencedUntil && (!told || (repeatSeconds > 0 && now - told.at >= repeatSeconds * 1000))) {
      const telling = { startsAt: phase.since, at: now };
      watched.told = telling;
      tell(this.#status(watched), { startsAt: phase.since }, () => memory.fires(rule.name, rule.text, telling));
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

/** A gauge as it is now needs no past. */
function looksBack({ averages, left, right }: AlertRule): boolean {
  return averages || [...readingsOf(left), ...readingsOf(right)].some(({ how }) => how !== "gauge");
}

function wordsOf({ name, text, unit, notice }: AlertRule, value: number | undefined, limit: number | undefined, instance: string) {
  const reading = readable(value, unit);
  const written = (words: string) => filled(words, { value: reading, instance });
  return {
    summary: notice.summary === undefined ? `${name} is ${reading}, its limit is ${readable(limit, unit)}` : written(notice.summary),
    description: notice.description === undefined ? `The condition is ${text}` : written(notice.description),
  };
}
