/**
 * What Linux tells of processes: trees, memory, processor time, names, who listens on a port. Called by the checks of validate/ and
 * doctor/, by plan/measure.ts and by the benches. Everything is undefined where there is no /proc. Sources: proc(5), Documentation/networking/proc_net_tcp.rst.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cpuSecondsIn, residentBytesIn, statFieldsIn } from "../contract/proc-text.ts";

export interface Memory {
  /** Bytes that only this process holds and has written. */
  readonly privateDirty: number;
  /** Bytes, those shared with others divided by how many share them. */
  readonly proportional: number;
  /** Bytes in memory, mapped files counted. */
  readonly resident: number;
}

/** The process and all below it; undefined where there is no /proc. */
export function processTree(root: number): number[] | undefined {
  const parents = pids()?.map((pid) => [pid, parentOf(pid)] as const);
  if (!parents) return undefined;
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid && !tree.includes(child)) tree.push(child);
  return tree;
}

export function memoryOf(pid: number): Memory | undefined {
  const text = read(`/proc/${pid}/smaps_rollup`);
  if (text === undefined) return undefined;
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { privateDirty: bytes("Private_Dirty"), proportional: bytes("Pss"), resident: bytes("Rss") };
}

/** Bytes in memory, mapped files counted. */
export function residentBytes(pid: number): number | undefined {
  return residentBytesIn(read(`/proc/${pid}/status`));
}

/** Seconds of processor time, of all threads. */
export function cpuSeconds(pids: readonly number[]): number | undefined {
  const times = pids.map((pid) => cpuSecondsIn(read(`/proc/${pid}/stat`)));
  return times.includes(undefined) ? undefined : times.reduce<number>((sum, time) => sum + time!, 0);
}

/** The process and those below it that are a Python, or hold one; undefined where there is no /proc. */
export function pythonsBelow(root: number): number[] | undefined {
  return processTree(root)?.filter(isPythonProcess);
}

/** By its program, whatever it calls itself, or by the library that it has mapped. */
export function isPythonProcess(pid: number): boolean {
  const names = [programOf(pid), linkOf(`/proc/${pid}/exe`).split("/").at(-1)];
  return names.some((name) => /^(python|pypy)/i.test(name ?? "")) || /\/libpython[\w.]*\.so/.test(read(`/proc/${pid}/maps`) ?? "");
}

/** Of the program's file, not of what the process calls itself: engines and gateways are all "node". */
export function programOf(pid: number): string | undefined {
  const comm = read(`/proc/${pid}/comm`)?.trim();
  const first = read(`/proc/${pid}/cmdline`)?.split("\0")[0]?.split("/").at(-1);
  return first || comm;
}

/** Who listens on a port of TCP. Processes of other users cannot be seen; then it is undefined. */
export function listenerOf(port: number): number | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningInodes(read(file) ?? "", port)));
  if (inodes.size === 0) return undefined;
  return pids()?.find((pid) => socketsOf(pid).some((inode) => inodes.has(inode)));
}

/** Inodes of the sockets that listen on the port, from the text of /proc/net/tcp. */
export function listeningInodes(table: string, port: number): string[] {
  const LISTEN = "0A";
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => state === LISTEN && Number.parseInt(local.split(":").at(-1) ?? "", 16) === port)
    .map((fields) => fields[9] ?? "");
}

function socketsOf(pid: number): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).map((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${fd}`))?.[1] ?? "");
  } catch {
    return []; // another user's, or gone
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

export function parentOf(pid: number): number | undefined {
  const parent = statFieldsIn(read(`/proc/${pid}/stat`))?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** Somebody sent it SIGSTOP, or a debugger holds it: it lives and does nothing. */
export function isStopped(pid: number): boolean {
  return /^[Tt]$/.test(statFieldsIn(read(`/proc/${pid}/stat`))?.[0] ?? "");
}

function pids(): number[] | undefined {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return undefined; // no Linux
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // gone, forbidden, or no Linux
  }
}
