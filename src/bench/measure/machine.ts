/**
 * The machine a measurement was taken on, and whether it was quiet. Called before every run: a figure from a busy machine is worth nothing.
 */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

export interface Quietness {
  /** 1, 5 and 15 minutes; our own last run is in it, so it is told but never decides. */
  readonly loadavg: readonly number[];
  /** Share of all cores that somebody used while nobody should have, 0..1. */
  readonly busy: number;
  /** Share that the hypervisor gave to others, 0..1. */
  readonly stolen: number;
  readonly quiet: boolean;
}

export interface CpuTimes {
  readonly busy: number;
  readonly stolen: number;
  readonly total: number;
}

/** How long a run waits for others to finish before it is measured all the same, and marked. */
export const QUIET_PATIENCE_MS = 10_000;

const MAX_BUSY = 0.06;
const MAX_STOLEN = 0.02;

/** Seconds of all cores since boot, proc(5): user nice system idle iowait irq softirq steal. */
export function cpuTimes(): CpuTimes {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!;
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, stolen = 0] = line
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / 100);
  const busy = user + nice + system + irq + softirq;
  return { busy, stolen, total: busy + idle + iowait + stolen };
}

/** Watches for `ms` while nothing of ours runs. */
export async function sampleQuiet(ms: number): Promise<Quietness> {
  const before = cpuTimes();
  await sleep(ms);
  const after = cpuTimes();
  const total = Math.max(after.total - before.total, 1e-9);
  const busy = (after.busy - before.busy) / total;
  const stolen = (after.stolen - before.stolen) / total;
  return { loadavg: loadavg(), busy, stolen, quiet: busy <= MAX_BUSY && stolen <= MAX_STOLEN };
}

/** Waits for a quiet moment, at most `patienceMs`; the last sample tells whether it came. */
export async function waitForQuiet(patienceMs: number): Promise<Quietness> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const sample = await sampleQuiet(400);
    if (sample.quiet || performance.now() >= end) return sample;
  }
}

export function describeQuiet({ busy, stolen, loadavg: load }: Quietness): string {
  return `${percent(busy)} busy, ${percent(stolen)} stolen, load ${load[0]?.toFixed(2)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly kernel: string;
  /** cgroup v2 `cpu.max`, where there is one. */
  readonly cpuLimit?: string;
}

export function machineInfo(): Machine {
  const limit = "/sys/fs/cgroup/cpu.max";
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 1e8) / 10,
    kernel: release(),
    ...(existsSync(limit) ? { cpuLimit: readFileSync(limit, "utf8").trim() } : {}),
  };
}
