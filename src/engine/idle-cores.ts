/**
 * How many of the cores that this process may use stood idle lately: whether there is room for another thread. Asked by loop.ts
 * between steps. Linux counts it in /proc/stat (proc(5)), in hundredths of a second; time stolen by a hypervisor is not idle.
 */
import { readFileSync } from "node:fs";

/** Below this the kernel's ticks are too coarse to tell half a core. */
const LEAST_WINDOW_MS = 150;
/** USER_HZ of every Linux that Node runs on. */
const MS_PER_TICK = 10;

export class IdleCores {
  readonly #read: () => string | undefined;
  readonly #cpus: ReadonlySet<string>;
  #ticks: number | undefined;
  #atMs: number;

  /** `read` gives the text of /proc/stat, or undefined where there is none; `allowed` is Cpus_allowed_list of /proc/self/status. */
  constructor(nowMs: number, read: () => string | undefined = readStat, allowed = allowedList()) {
    this.#read = read;
    this.#cpus = new Set(cpuNames(allowed));
    this.#atMs = nowMs;
    this.#ticks = this.#idleTicks();
  }

  /** The mean number of idle cores since the last answer; undefined while too little time has passed, or where nobody counts. */
  sample(nowMs: number): number | undefined {
    if (this.#ticks === undefined || nowMs - this.#atMs < LEAST_WINDOW_MS) return undefined;
    const before = this.#ticks;
    const elapsedMs = nowMs - this.#atMs;
    this.#ticks = this.#idleTicks();
    this.#atMs = nowMs;
    return this.#ticks === undefined ? undefined : ((this.#ticks - before) * MS_PER_TICK) / elapsedMs;
  }

  #idleTicks(): number | undefined {
    const stat = this.#read();
    if (stat === undefined) return undefined;
    let ticks = 0;
    for (const line of stat.split("\n")) {
      const [name, , , , idle, iowait] = line.split(" ");
      if (this.#cpus.has(name!)) ticks += Number(idle) + Number(iowait);
    }
    return ticks;
  }
}

/** "0-1,4" → cpu0, cpu1, cpu4, as /proc/stat names them. */
function cpuNames(list: string): string[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => `cpu${first + i}`);
  });
}

function allowedList(): string {
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(readText("/proc/self/status") ?? "")?.[1] ?? "";
}

function readStat(): string | undefined {
  return readText("/proc/stat");
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // another system
  }
}
