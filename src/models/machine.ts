/**
 * What this process may use of the machine: memory and cores, cgroup limits counted. Called by the pool and `gpu-info`.
 * Everything it reads can be replaced for tests. Sources: proc(5), Linux cgroup-v1/memory.rst and cgroup-v2.rst.
 */
import { readFileSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { residentBytesIn } from "../contract/proc-text.ts";

export interface MachineSource {
  readonly platform: NodeJS.Platform;
  /** Text of a file, or undefined if it cannot be read. */
  readonly read: (path: string) => string | undefined;
  readonly freeMemory: () => number;
  readonly totalMemory: () => number;
  /** CPUs that the scheduler may use (affinity counted). */
  readonly parallelism: () => number;
}

const REAL: MachineSource = {
  platform: process.platform,
  read: readText,
  freeMemory: freemem,
  totalMemory: totalmem,
  parallelism: availableParallelism,
};

/** Bytes that can be allocated without swapping or being killed. */
export function availableMemory(source: MachineSource = REAL): number {
  return Math.max(0, Math.min(systemMemory(source), ...cgroupHeadrooms(source)));
}

/** Resident memory of another process in bytes, mapped weights counted; undefined where the system has no /proc. */
export function residentMemory(pid: number, { platform, read }: MachineSource = REAL): number | undefined {
  return platform === "linux" ? residentBytesIn(read(`/proc/${pid}/status`)) : undefined;
}

/** Physical cores this process may use, at least 1: hyper-threads of one core count once, since they share what matrix products need. */
export function allowedCores(source: MachineSource = REAL): number {
  return Math.max(1, Math.min(physicalCores(source), ...cgroupCpuQuotas(source).map(Math.ceil)));
}

/** Threads that can run at once, at least 1: hyper-threads count. More of them than this wait for each other by spinning. */
export function allowedProcessors(source: MachineSource = REAL): number {
  return Math.max(1, Math.min(source.parallelism(), ...cgroupCpuQuotas(source).map(Math.ceil)));
}

function systemMemory({ platform, read, freeMemory, totalMemory }: MachineSource): number {
  const kibibytes = platform === "linux" ? /^MemAvailable:\s+(\d+) kB/m.exec(read("/proc/meminfo") ?? "")?.[1] : undefined;
  if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  // macOS keeps little memory free on purpose: half of it can be had.
  return platform === "darwin" ? Math.max(freeMemory(), totalMemory() / 2) : freeMemory();
}

/** Limit − what is used and cannot be reclaimed, for each cgroup above this process that has a limit. */
function cgroupHeadrooms(source: MachineSource): number[] {
  const version2 = cgroupFolders(source, "").map((folder) =>
    headroom(source, folder, { limit: "memory.max", usage: "memory.current", inactive: "inactive_file" }),
  );
  const version1 = cgroupFolders(source, "memory").map((folder) =>
    headroom(source, folder, { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", inactive: "total_inactive_file" }),
  );
  return [...version2, ...version1].filter((bytes) => bytes !== undefined);
}

function headroom(
  { read, totalMemory }: MachineSource,
  folder: string,
  names: { limit: string; usage: string; inactive: string },
): number | undefined {
  const limit = numberIn(read(`${folder}/${names.limit}`));
  const usage = numberIn(read(`${folder}/${names.usage}`));
  // Version 1 says "no limit" with a number near 2^63.
  if (limit === undefined || usage === undefined || limit > totalMemory()) return undefined;
  const inactive = new RegExp(`^${names.inactive} (\\d+)$`, "m").exec(read(`${folder}/memory.stat`) ?? "")?.[1];
  return limit - usage + Number(inactive ?? 0);
}

/** In CPUs, one for each cgroup above this process that has a quota. */
function cgroupCpuQuotas(source: MachineSource): number[] {
  const version2 = cgroupFolders(source, "").map((folder) => {
    const [quota, period] = (source.read(`${folder}/cpu.max`) ?? "").split(/\s+/);
    return Number(quota) / Number(period);
  });
  const version1 = cgroupFolders(source, "cpu").map(
    (folder) => Number(source.read(`${folder}/cpu.cfs_quota_us`)) / Number(source.read(`${folder}/cpu.cfs_period_us`)),
  );
  return [...version2, ...version1].filter((cpus) => Number.isFinite(cpus) && cpus > 0);
}

/**
 * The cgroup of this process and all above it. A container often sees its own group mounted as the root, under a path that
 * /proc/self/cgroup does not tell: folders that are not there read as nothing.
 * @param controller of version 1; "" is version 2.
 */
function cgroupFolders({ platform, read }: MachineSource, controller: string): string[] {
  if (platform !== "linux") return [];
  const line = (read("/proc/self/cgroup") ?? "").split("\n").find((candidate) => {
    const controllers = candidate.split(":")[1];
    return controller === "" ? candidate.startsWith("0::") : controllers?.split(",").includes(controller);
  });
  const path = line?.split(":").slice(2).join(":") ?? "/";
  const root = controller === "" ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controller}`;
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  return [root, ...names.map((_, index) => `${root}/${names.slice(0, index + 1).join("/")}`)];
}

function physicalCores({ platform, read, parallelism }: MachineSource): number {
  const allowed = platform === "linux" ? /^Cpus_allowed_list:\s*(\S+)/m.exec(read("/proc/self/status") ?? "")?.[1] : undefined;
  const cpus = allowed === undefined ? [] : cpuList(allowed);
  const cores = new Set<string>();
  for (const cpu of cpus) {
    const siblings = read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`);
    if (siblings === undefined) return parallelism();
    cores.add(siblings.trim());
  }
  // A list may name CPUs that are offline: the scheduler's own count is an upper bound.
  return cores.size === 0 ? parallelism() : Math.min(cores.size, parallelism());
}

/** "0-3,8" → 0, 1, 2, 3, 8. */
function cpuList(text: string): number[] {
  return text.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return first === undefined || last === undefined || !(last - first < 65_536)
      ? []
      : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function numberIn(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? "";
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
