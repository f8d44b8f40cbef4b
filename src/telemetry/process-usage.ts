/** CPU time and memory of a process from /proc, read at a scrape. Called by state-metrics.ts; undefined where the system has no /proc. */
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** USER_HZ, which Linux has as 100 on every architecture that Node runs on. */
const TICKS_A_SECOND = 100;

/** Source: proc_pid_stat(5), fields 14 and 15, and proc_pid_status(5). */
export function processUsage(pid: number, read: (path: string) => string = readText): ProcessUsage | undefined {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
    const stat = read(`/proc/${pid}/stat`);
    // The second field is a name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return kibibytes === undefined || !Number.isFinite(ticks)
      ? undefined
      : { residentBytes: Number(kibibytes) * 1024, cpuSeconds: ticks / TICKS_A_SECOND };
  } catch {
    return undefined; // no such system, or the process has just ended
  }
}

/** What only this process holds of memory. Source: proc_pid_smaps_rollup. */
export function privateBytes(read: (path: string) => string = readText): number | undefined {
  try {
    const parts = [...read("/proc/self/smaps_rollup").matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)];
    return parts.length === 0 ? undefined : parts.reduce((sum, [, kibibytes]) => sum + Number(kibibytes), 0) * 1024;
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  return readFileSync(path, "utf8");
}
