/**
 * What the system grants a process, and the clock. Called by checks.ts. Node raises the soft limit of files to the hard one as it starts,
 * so what is read here is what a server gets. Source: proc(5), /proc/[pid]/limits.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { gigabytes } from "../figures.ts";

/** A connection and a half for each of some hundred clients; beside them an engine has about 30 files. */
const FILES = 1024;
const FEW_FILES = 128;
/** WebAssembly alone, which Node's fetch is made with, reserves so much at a time; models are mapped beside it. */
const ADDRESSES = 32e9;
/** When the original's template was last updated: nothing of Shimmy is older. */
const BEGINNING = Date.UTC(2025, 8, 17);
/** Clocks of two systems that share a disk differ, and one may have been set since. */
const DAY_MS = 86_400_000;
const LIMITS = "/proc/self/limits";

/** @param packageFolder Shimmy's own */
export function limitChecks(packageFolder: string): Check[] {
  const check = (name: string, judge: (limits: string) => Finding): Check => ({
    group: "program",
    name,
    run: () => (existsSync(LIMITS) ? judge(readFileSync(LIMITS, "utf8")) : unmeasured(`${process.platform} does not tell`)),
  });
  return [
    check("open files", judgeFiles),
    check("address space", judgeAddresses),
    { group: "program", name: "clock", run: () => judgeClock(Date.now(), writtenAt(packageFolder)) },
  ];
}

export function judgeFiles(limits: string): Finding {
  const value = softLimit(limits, "Max open files");
  const more = { value, limit: `≥ ${FILES}` };
  const measured = Number.isFinite(value) ? String(value) : "unlimited";
  if (value >= FILES) return pass(measured, more);
  const advice = "Each connection is an open file: raise the limit where the server is started (systemd: LimitNOFILE).";
  const command = `ulimit -n ${FILES}`;
  return value < FEW_FILES ? fail(measured, advice, { ...more, command }) : warn(measured, advice, { ...more, command });
}

export function judgeAddresses(limits: string): Finding {
  const value = softLimit(limits, "Max address space");
  if (!Number.isFinite(value)) return pass("unlimited", { limit: "unlimited" });
  const advice =
    "Models are mapped and Node reserves addresses that it never uses: limit the memory by a cgroup (systemd: MemoryMax) instead, or leave 8 GB beside the models and set NODE_OPTIONS=--disable-wasm-trap-handler, without which Node 20 and 22 have no fetch there.";
  const more = { value, limit: "unlimited", command: "ulimit -v unlimited" };
  return value < ADDRESSES ? fail(gigabytes(value), advice, more) : warn(gigabytes(value), advice, more);
}

/** @param installed when the package was written here, by this machine's clock as it was then */
export function judgeClock(now: number, installed: number): Finding {
  const measured = new Date(now).toISOString().slice(0, 10);
  const limit = `not before Shimmy was installed (${new Date(installed).toISOString().slice(0, 10)})`;
  if (now >= Math.max(BEGINNING, installed - DAY_MS)) return pass(measured, { limit });
  return fail(measured, "With a wrong clock certificates are not valid, so nothing can be pulled: set it.", {
    limit,
    command: "sudo timedatectl set-ntp true",
  });
}

/** By the inode's change, which nobody sets: npm dates its files 1985. */
function writtenAt(packageFolder: string): number {
  return statSync(join(packageFolder, "package.json")).ctimeMs;
}

/** Infinity: unlimited, or not told. */
function softLimit(limits: string, name: string): number {
  const [, value] = new RegExp(`^${name} +(\\d+) `, "m").exec(limits) ?? [];
  return value === undefined ? Number.POSITIVE_INFINITY : Number(value);
}
