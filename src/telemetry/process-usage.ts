/** CPU time and memory of a process from /proc, read at a scrape. Called by state-metrics.ts; undefined where the system has no /proc. */
import { readFileSync } from "node:fs";
import { cpuSecondsIn, residentBytesIn } from "../contract/proc-text.ts";

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

export function processUsage(pid: number, read: (path: string) => string = readText): ProcessUsage | undefined {
  try {
    const residentBytes = residentBytesIn(read(`/proc/${pid}/status`));
    const cpuSeconds = cpuSecondsIn(read(`/proc/${pid}/stat`));
    return residentBytes === undefined || cpuSeconds === undefined ? undefined : { residentBytes, cpuSeconds };
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
