/** What the system tells of processes: memory and processor time. Called by measure.ts. Undefined where there is no /proc (proc(5)). */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, which proc(5) counts in; it is 100 wherever Linux runs on what Node runs on. */
const TICKS_A_SECOND = 100;

/** Bytes that no other process shares. */
export function privateBytes(pid: number): number | undefined {
  const text = read(`/proc/${pid}/smaps_rollup`);
  if (text === undefined) return undefined;
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0);
}

/** Bytes in memory, mapped files counted. */
export function residentBytes(pid: number): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Seconds of processor time, of all threads. */
export function cpuSeconds(pids: readonly number[]): number | undefined {
  const times = pids.map((pid) => {
    // Behind the name in brackets, which may hold anything: state is field 3, utime 14, stime 15.
    const fields = read(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, "")
      .split(" ");
    return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  });
  return times.includes(undefined) ? undefined : times.reduce<number>((sum, time) => sum + time!, 0);
}

/** Whether this process has a child whose program is a Python; undefined where the system does not tell. */
export function hasPython(pids: readonly number[]): boolean | undefined {
  const names = pids.flatMap((pid) => childrenOf(pid).concat(pid)).map((pid) => read(`/proc/${pid}/comm`));
  return names.every((name) => name === undefined) ? undefined : names.some((name) => /python/i.test(name ?? ""));
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      (read(`/proc/${pid}/task/${task}/children`) ?? "").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return []; // it has ended, or there is no /proc
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // absent is what callers tell
  }
}
