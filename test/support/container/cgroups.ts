/** Limits of a container by cgroups of version 1, which the machine of the tests has. Called by container.ts. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Limits {
  readonly pids?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
}

export const CGROUPS = "/sys/fs/cgroup";
const PATIENCE_MS = 5_000;

/** Why limits cannot be set here; undefined if they can. */
export function cannotLimit(): string | undefined {
  const files = ["memory/memory.limit_in_bytes", "pids/cgroup.procs", "cpu/cgroup.procs"];
  return files.every((file) => existsSync(join(CGROUPS, file))) ? undefined : "no cgroups of version 1 with memory, pids and cpu";
}

export class Cgroups {
  /** Only those that limit something. */
  readonly controllers: readonly string[];
  readonly id: string;

  constructor(id: string, { memoryBytes, pids, cpus }: Limits) {
    this.id = id;
    const limits: ReadonlyArray<readonly [controller: string, file: string, value: number | undefined]> = [
      ["memory", "memory.limit_in_bytes", memoryBytes],
      ["pids", "pids.max", pids],
      ["cpu", "cpu.cfs_quota_us", cpus === undefined ? undefined : Math.round(cpus * 100_000)],
    ];
    const set = limits.filter(([, , value]) => value !== undefined);
    this.controllers = set.map(([controller]) => controller);
    for (const [controller, file, value] of set) {
      mkdirSync(this.folder(controller));
      writeFileSync(join(this.folder(controller), file), `${value}`);
    }
  }

  folder(controller: string): string {
    return join(CGROUPS, controller, this.id);
  }

  /** @param path such as "memory/memory.max_usage_in_bytes" */
  read(path: string): string {
    const [controller = "", file = ""] = path.split("/");
    return readFileSync(join(this.folder(controller), file), "utf8").trim();
  }

  /** Once all their processes have ended; the kernel needs a moment more. @throws EBUSY if somebody lives on */
  async remove(): Promise<void> {
    for (const controller of this.controllers) {
      for (const end = Date.now() + PATIENCE_MS; ; ) {
        try {
          rmdirSync(this.folder(controller));
          break;
        } catch (error) {
          if (Date.now() > end) throw error;
          await sleep(10);
        }
      }
    }
  }
}
