/**
 * What outlives the process of its alerts: silences, and of which alerts the webhook has taken that they fire. Made by open.ts, told by
 * watch.ts. It must not know where a file lies. A file that cannot be written is told, and all goes on in memory.
 */
import { createHash } from "node:crypto";
import type { Logger } from "../log.ts";

/** As models/state-file.ts makes them. */
export interface AlertFile {
  read(): Promise<unknown>;
  change(edit: (state: unknown) => object): Promise<void>;
}

/** That an alert fires, as somebody was told. Milliseconds since the epoch. */
export interface Told {
  readonly startsAt: number;
  readonly at: number;
}

export interface Recalled {
  /** Until when, by the name of the alert; all of them lie ahead. */
  readonly silences: ReadonlyMap<string, number>;
  /** By the name of the alert, of those whose condition is still the same. `heard`: by the webhook that there is now. */
  readonly firing: ReadonlyMap<string, Told & { readonly heard: boolean }>;
}

interface Firing extends Told {
  readonly alert: string;
  /** Servers of one configuration share a file, and each has alerts of its own. */
  readonly instance: string;
  readonly condition: string;
  readonly receiver: string;
}

interface Kept {
  readonly version: 1;
  readonly silences: Readonly<Record<string, number>>;
  readonly firing: readonly Firing[];
}

const NOTHING: Kept = { version: 1, silences: {}, firing: [] };
/** A server that never came back leaves what it had told. */
const FORGOTTEN_AFTER_MS = 30 * 24 * 3600_000;

export interface MemoryOptions {
  readonly file: AlertFile;
  readonly log: Pick<Logger, "warn">;
  /** `host:port`; what fires at another one is none of ours. */
  readonly instance: string;
  /** Of the webhook; absent: nobody is told. */
  readonly url?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export class AlertMemory {
  readonly #file: AlertFile;
  readonly #log: Pick<Logger, "warn">;
  readonly #instance: string;
  readonly #receiver: string;
  readonly #now: () => number;
  /** What the file does not say yet, by what it is about. One write takes all of it; what could not be written goes with the next. */
  readonly #wanted = new Map<string, (kept: Kept) => Kept>();
  /** A write that has not begun. */
  #next: Promise<void> | undefined;
  /** Writes follow each other. */
  #last: Promise<void> = Promise.resolve();
  #writing = false;
  #broken = false;

  constructor({ file, log, instance, url, now = Date.now }: MemoryOptions) {
    this.#file = file;
    this.#log = log;
    this.#instance = instance;
    // Its address may hold a secret, and another one has heard of nothing.
    this.#receiver = url === undefined ? "" : createHash("sha256").update(url).digest("hex").slice(0, 16);
    this.#now = now;
  }

  /** @param rules those that are looked at. What is known of others as firing is forgotten: nothing will end it. Never rejects. */
  async recall(rules: ReadonlyArray<{ readonly name: string; readonly text: string }>): Promise<Recalled> {
    const state = await this.#file.read();
    if (state === undefined) return { silences: new Map(), firing: new Map() };
    const { silences, firing } = this.#current(state);
    const texts = new Map(rules.map(({ name, text }) => [name, text]));
    const mine = firing.filter(({ instance }) => instance === this.#instance);
    const known = mine.filter(({ alert, condition }) => texts.get(alert) === condition);
    for (const { alert } of mine.filter((one) => !known.includes(one))) this.ended(alert);
    return {
      silences: new Map(Object.entries(silences)),
      firing: new Map(known.map(({ alert, startsAt, at, receiver }) => [alert, { startsAt, at, heard: receiver === this.#receiver }])),
    };
  }

  /** Resolves when it is on the disk, or cannot be. @param until 0: no longer */
  silenced(name: string, until: number): Promise<void> {
    return this.#change(`silence ${name}`, (kept) => ({ ...kept, silences: { ...kept.silences, [name]: until } }));
  }

  fires(alert: string, condition: string, { startsAt, at }: Told): void {
    const one: Firing = { alert, instance: this.#instance, condition, receiver: this.#receiver, startsAt, at };
    void this.#change(`firing ${alert}`, (kept) => ({ ...kept, firing: [...this.#others(kept, alert), one] }));
  }

  ended(alert: string): void {
    void this.#change(`firing ${alert}`, (kept) => ({ ...kept, firing: this.#others(kept, alert) }));
  }

  #others({ firing }: Kept, name: string): readonly Firing[] {
    return firing.filter(({ alert, instance }) => alert !== name || instance !== this.#instance);
  }

  /** What was told before is on the disk, or cannot be: what could not be written earlier is tried once more. */
  settled(): Promise<void> {
    return this.#wanted.size > 0 && !this.#writing ? this.#soon() : this.#last;
  }

  #change(subject: string, edit: (kept: Kept) => Kept): Promise<void> {
    this.#wanted.set(subject, edit);
    return this.#soon();
  }

  #soon(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#last.then(() => this.#write());
      this.#last = this.#next;
    }
    return this.#next;
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    this.#next = undefined;
    this.#writing = true;
    const edits = [...this.#wanted];
    try {
      await this.#file.change((state) => edits.reduce((kept, [, edit]) => this.#current(edit(kept)), this.#current(state)));
      for (const [subject, edit] of edits) if (this.#wanted.get(subject) === edit) this.#wanted.delete(subject);
      this.#broken = false;
    } catch (error) {
      // Once: it will be the same for the next one.
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
      if (!this.#broken) this.#log.warn("alerts: silences and what fires are kept until the restart only", { reason });
      this.#broken = true;
    } finally {
      this.#writing = false;
    }
  }

  /** Without what is over, and without what is none: somebody may have edited it. */
  #current(state: unknown): Kept {
    if (!isKept(state)) return NOTHING;
    const now = this.#now();
    const silences = Object.entries(state.silences).filter(([, until]) => isTime(until) && until > now);
    const firing = state.firing.filter((one) => isFiring(one) && one.startsAt <= now && one.at <= now && now - one.at < FORGOTTEN_AFTER_MS);
    return { version: 1, silences: Object.fromEntries(silences), firing };
  }
}

export function isKept(state: unknown): state is Kept {
  const { version, silences, firing } = (state ?? {}) as Partial<Kept>;
  return version === 1 && isMapping(silences) && Array.isArray(firing);
}

function isMapping(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFiring(value: unknown): value is Firing {
  const { startsAt, at, ...texts } = (value ?? {}) as Partial<Firing>;
  const { alert, instance, condition, receiver } = texts;
  return isTime(startsAt) && isTime(at) && [alert, instance, condition, receiver].every((text) => typeof text === "string");
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
