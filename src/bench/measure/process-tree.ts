/**
 * Memory and CPU of a process with all its children (Linux). Called around each run; it knows no server. Processes end while they are looked
 * at; whoever is gone uses nothing.
 */
import { cpuSeconds, memoryOf, processTree } from "../../deploy/processes.ts";

/** MB (10^6 bytes) summed over the tree. RSS counts shared pages once a process, PSS divides them, private is what only it holds. */
export interface TreeMemory {
  readonly processes: number;
  readonly rss: number;
  readonly pss: number;
  readonly privateDirty: number;
}

/** None where there is no /proc. */
export function treeOf(root: number): number[] {
  return processTree(root) ?? [];
}

export function treeMemory(root: number): TreeMemory {
  const living = treeOf(root).flatMap((pid) => memoryOf(pid) ?? []);
  const megabytes = (field: "resident" | "proportional" | "privateDirty") => living.reduce((sum, memory) => sum + memory[field], 0) / 1e6;
  const [rss, pss, privateDirty] = [megabytes("resident"), megabytes("proportional"), megabytes("privateDirty")];
  return { processes: living.length, rss, pss, privateDirty };
}

/** Seconds of CPU that the living processes of the tree have used. */
export function treeCpuSeconds(root: number): number {
  return treeOf(root).reduce((sum, pid) => sum + (cpuSeconds([pid]) ?? 0), 0);
}
