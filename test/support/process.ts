/** What the kernel says of a process, for the suites of lifecycle and faults. */
import { readFileSync } from "node:fs";

/** Physical memory in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

/** Whether it has this file mapped: an engine maps its model. */
export function maps(pid: number, file: string): boolean {
  return readFileSync(`/proc/${pid}/maps`, "utf8").includes(file);
}

export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true; // ESRCH
  }
}
