/**
 * Memory and CPU of a process with all its children, from /proc (Linux). Called around each run; it knows no server.
 */
import { readdirSync, readFileSync } from "node:fs";

/** MB (10^6 bytes) summed over the tree. RSS counts shared pages once a process, PSS divides them, private is what only it holds. */
export interface TreeMemory {
  readonly processes: number;
  readonly rss: number;
  readonly pss: number;
  readonly privateDirty: number;
}

interface Stat {
  readonly parent: number;
  /** Clock ticks, user and system. */
  readonly ticks: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, fixed by the kernel's ABI for /proc on every architecture Node runs on.

/** proc(5): `comm` may hold blanks and brackets, so fields are counted after the last one. Undefined: it ended meanwhile. */
function statOf(pid: number | string): Stat | undefined {
  const text = readOrNothing(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const tree: number[] = [];
  const todo = [root];
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    tree.push(pid);
    todo.push(...(children.get(pid) ?? []));
  }
  return tree;
}

export function treeMemory(root: number): TreeMemory {
  let [processes, rss, pss, privateDirty] = [0, 0, 0, 0];
  for (const pid of processTree(root)) {
    const text = readOrNothing(`/proc/${pid}/smaps_rollup`);
    if (text === undefined) continue;
    processes++;
    rss += megabytes(text, "Rss");
    pss += megabytes(text, "Pss");
    privateDirty += megabytes(text, "Private_Dirty");
  }
  return { processes, rss, pss, privateDirty };
}

/** Seconds of CPU that the living processes of the tree have used. */
export function treeCpuSeconds(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + (statOf(pid)?.ticks ?? 0), 0) / TICKS_PER_SECOND;
}

function megabytes(rollup: string, field: string): number {
  return (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) * 1024) / 1e6;
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Processes end while /proc is read; whoever is gone uses nothing.
    return undefined;
  }
}
