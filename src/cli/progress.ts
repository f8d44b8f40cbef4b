/** How far a pull is, on stderr: a bar with rate and time left for a terminal, else a line now and then. Used by `shimmy pull`. */
import type { PullEvent } from "../contract/pull.ts";

export interface Display {
  show(event: PullEvent): void;
  /** Leaves the line of the bar. */
  end(): void;
}

/** What is written to, and how wide it is. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export function createDisplay(out: Terminal, now: () => number = () => performance.now()): Display {
  return out.isTTY ? new Bar(out, now) : new Lines(out, now);
}

/** The rate is that of the last seconds, and what an earlier attempt fetched is not counted. */
const RATE_WINDOW_MS = 5000;

/** Bytes per second of one status. */
class Rate {
  #status = "";
  #samples: Array<{ readonly at: number; readonly bytes: number }> = [];

  note(status: string, bytes: number, at: number): number | undefined {
    if (status !== this.#status) this.#samples = [];
    this.#status = status;
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > RATE_WINDOW_MS) this.#samples.shift();
    const [oldest] = this.#samples;
    const seconds = (at - oldest!.at) / 1000;
    return seconds > 0 ? (bytes - oldest!.bytes) / seconds : undefined;
  }
}

const BAR_WIDTH = 20;

class Bar implements Display {
  readonly #rate = new Rate();
  #drawn = false;

  constructor(
    private readonly out: Terminal,
    private readonly now: () => number,
  ) {}

  show({ status, completed, total }: PullEvent): void {
    if (completed === undefined || total === undefined) {
      this.end();
      this.out.write(`${status}\n`);
      return;
    }
    const rate = this.#rate.note(status, completed, this.now());
    const filled = total === 0 ? BAR_WIDTH : Math.floor((completed / total) * BAR_WIDTH);
    const bar = `[${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}]`;
    const text = `${bar} ${percent(completed, total)} ${figures(completed, total, rate)}  ${status}`;
    this.out.write(`\r\u001b[K${text.slice(0, Math.max(20, (this.out.columns || 80) - 1))}`);
    this.#drawn = true;
    if (completed === total) this.end();
  }

  end(): void {
    if (this.#drawn) this.out.write("\n");
    this.#drawn = false;
  }
}

/** A line at each tenth, or after this time. */
const LINE_EVERY_MS = 30_000;

class Lines implements Display {
  readonly #rate = new Rate();
  #last = { status: "", tenth: -1, at: 0 };

  constructor(
    private readonly out: Terminal,
    private readonly now: () => number,
  ) {}

  show({ status, completed, total }: PullEvent): void {
    const at = this.now();
    if (completed === undefined || total === undefined) {
      // Whoever waits says so twice a second.
      if (status === this.#last.status && at - this.#last.at < LINE_EVERY_MS) return;
      this.#last = { status, tenth: -1, at };
      this.out.write(`${status}\n`);
      return;
    }
    const rate = this.#rate.note(status, completed, at);
    const tenth = total === 0 ? 10 : Math.floor((completed / total) * 10);
    const same = status === this.#last.status && tenth === this.#last.tenth;
    if (same && at - this.#last.at < LINE_EVERY_MS) return;
    this.#last = { status, tenth, at };
    this.out.write(`${status}: ${percent(completed, total).trim()} ${figures(completed, total, rate)}\n`);
  }

  end(): void {
    this.#last = { status: "", tenth: -1, at: 0 };
  }
}

function percent(completed: number, total: number): string {
  return `${Math.floor(total === 0 ? 100 : (completed / total) * 100)}%`.padStart(4);
}

function figures(completed: number, total: number, rate: number | undefined): string {
  const unit = total >= 1e9 ? { bytes: 1e9, name: "GB", digits: 2 } : { bytes: 1e6, name: "MB", digits: 1 };
  const amount = `${(completed / unit.bytes).toFixed(unit.digits)}/${(total / unit.bytes).toFixed(unit.digits)} ${unit.name}`;
  if (rate === undefined || rate <= 0) return amount;
  const left = completed < total ? `, ${duration((total - completed) / rate)} left` : "";
  return `${amount}, ${(rate / 1e6).toFixed(1)} MB/s${left}`;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}
