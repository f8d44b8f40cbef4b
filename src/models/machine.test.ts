import { describe, expect, test } from "vitest";
import { allowedCores, allowedProcessors, availableMemory, type MachineSource } from "./machine.ts";

const GIB = 1024 ** 3;

function machine(files: Record<string, string>, changes: Partial<MachineSource> = {}): MachineSource {
  return {
    platform: "linux",
    read: (path) => files[path],
    freeMemory: () => 2 * GIB,
    totalMemory: () => 32 * GIB,
    parallelism: () => 8,
    ...changes,
  };
}

const meminfo = { "/proc/meminfo": "MemTotal: 33554432 kB\nMemFree: 100 kB\nMemAvailable:   16777216 kB\n" };

describe("available memory", () => {
  test("is what Linux says can be had, not what is free", () => {
    expect(availableMemory(machine(meminfo))).toBe(16 * GIB);
  });

  test("is at most what a cgroup of version 2 leaves, its reclaimable page cache not counted", () => {
    const files = {
      ...meminfo,
      "/proc/self/cgroup": "0::/user.slice/shimmy.service\n",
      "/sys/fs/cgroup/user.slice/shimmy.service/memory.max": "max\n",
      "/sys/fs/cgroup/user.slice/shimmy.service/memory.current": "5\n",
      "/sys/fs/cgroup/user.slice/memory.max": `${4 * GIB}\n`,
      "/sys/fs/cgroup/user.slice/memory.current": `${3 * GIB}\n`,
      "/sys/fs/cgroup/user.slice/memory.stat": `anon 5\ninactive_file ${GIB}\nactive_file 7\n`,
    };
    expect(availableMemory(machine(files))).toBe(2 * GIB);
  });

  test("is found in a container that sees its own group as the root", () => {
    const files = {
      ...meminfo,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${GIB}\n`,
      "/sys/fs/cgroup/memory.current": "0\n",
    };
    expect(availableMemory(machine(files))).toBe(GIB);
  });

  test("is at most what a cgroup of version 1 leaves; its number for no limit is none", () => {
    const cgroup = { ...meminfo, "/proc/self/cgroup": "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n" };
    const limited = (bytes: number | string) => ({
      ...cgroup,
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": String(bytes),
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "0",
    });
    expect(availableMemory(machine(limited(3 * GIB)))).toBe(3 * GIB);
    expect(availableMemory(machine(limited("9223372036854771712")))).toBe(16 * GIB);
  });

  test("is never negative", () => {
    const files = { ...meminfo, "/sys/fs/cgroup/memory.max": "1000", "/sys/fs/cgroup/memory.current": "2000" };
    expect(availableMemory(machine(files))).toBe(0);
  });

  test("elsewhere is what the system calls free, on macOS at least half of all", () => {
    expect(availableMemory(machine({}, { platform: "win32" }))).toBe(2 * GIB);
    expect(availableMemory(machine({}, { platform: "darwin" }))).toBe(16 * GIB);
  });

  test("is measured on this machine", () => {
    expect(availableMemory()).toBeGreaterThan(1024 * 1024);
  });
});

describe("allowed cores", () => {
  /** 4 cores, 8 threads: CPU n and n + 4 share a core. */
  const topology = Object.fromEntries(
    Array.from({ length: 8 }, (_, cpu) => [
      `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
      `${cpu % 4},${(cpu % 4) + 4}\n`,
    ]),
  );
  const allowed = (list: string) => ({ ...topology, "/proc/self/status": `Name:\tnode\nCpus_allowed_list:\t${list}\n` });

  test("count the threads of a core once", () => {
    expect(allowedCores(machine(allowed("0-7")))).toBe(4);
  });

  test("are those of the affinity", () => {
    expect(allowedCores(machine(allowed("0,4,1"), { parallelism: () => 3 }))).toBe(2);
  });

  test("are at most the quota, rounded up", () => {
    const withQuota = (quota: string) => ({ ...allowed("0-7"), "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": quota });
    expect(allowedCores(machine(withQuota("150000 100000\n")))).toBe(2);
    expect(allowedCores(machine(withQuota("5000 100000\n")))).toBe(1);
    expect(allowedCores(machine(withQuota("max 100000\n")))).toBe(4);
  });

  test("processors count the threads of a core, and are at most the quota", () => {
    expect(allowedProcessors(machine(allowed("0-7")))).toBe(8);
    const quota = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "250000 100000\n" };
    expect(allowedProcessors(machine({ ...allowed("0-7"), ...quota }))).toBe(3);
    expect(allowedProcessors(machine({}, { parallelism: () => 0 }))).toBe(1);
  });

  test("are at most the quota of version 1", () => {
    const files = {
      ...allowed("0-7"),
      "/proc/self/cgroup": "4:cpu,cpuacct:/a\n",
      "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "300000\n",
      "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
    };
    expect(allowedCores(machine(files))).toBe(3);
    expect(allowedCores(machine({ ...files, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n" }))).toBe(4);
  });

  test("are what the system says where nothing can be read", () => {
    expect(allowedCores(machine({}))).toBe(8);
    expect(allowedCores(machine({}, { platform: "darwin", parallelism: () => 10 }))).toBe(10);
  });

  test("are counted on this machine", () => {
    expect(allowedCores()).toBeGreaterThanOrEqual(1);
  });
});
