/**
 * What the system grants a process, and the clock. Called by checks.ts. Node raises the soft limit of files to the hard one as it starts,
 * so what is read here is what a server gets. Source: proc(5), /proc/[pid]/limits.
 */
import { existsSync, readFileSync } from "node:fs";
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { gigabytes } from "../figures.ts";

/** A connection and a half for each of some hundred clients; beside them an engine has about 30 files. */
const FILES = 1024;
const FEW_FILES = 128;
/** WebAssembly alone, which Node's fetch is made with, reserves so much at a time; models are mapped beside it. */
const ADDRESSES = 32e9;
/** When the original's template was last updated: nothing of Shimmy is older. */
const BEGINNING = Date.UTC(2025, 8, 17);
const LIMITS = "/proc/self/limits";

export function limitChecks(): Check[] {
  const check = (name: string, judge: (limits: string) => Finding): Check => ({
    group: "program",
    name,
    run: () => (existsSync(LIMITS) ? judge(readFileSync(LIMITS, "utf8")) : unmeasured(`${process.platform} does not tell`)),
  });
  return [
    check("open files", judgeFiles),
    check("address space", judgeAddresses),
    { group: "program", name: "clock", run: () => judgeClock(Date.now()) },
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
    "Models are mapped and Node reserves addresses that it never uses: limit the memory by a cgroup (systemd: MemoryMax) instead, or leave 8 GB beside the models and set NODE_OPTIONS=--disable-wasm-trap-handler.";
  const more = { value, limit: "unlimited", command: "ulimit -v unlimited" };
  return value < ADDRESSES ? fail(gigabytes(value), advice, more) : warn(gigabytes(value), advice, more);
}

export function judgeClock(now: number): Finding {
  const measured = new Date(now).toISOString().slice(0, 10);
  const limit = "after the release of Shimmy";
  if (now >= BEGINNING) return pass(measured, { limit });
  return fail(measured, "With a wrong clock certificates are not valid, so nothing can be pulled: set it.", {
    limit,
    command: "sudo timedatectl set-ntp true",
  });
}

/** Infinity: unlimited, or not told. */
function softLimit(limits: string, name: string): number {
  const [, value] = new RegExp(`^${name} +(\\d+) `, "m").exec(limits) ?? [];
  return value === undefined ? Number.POSITIVE_INFINITY : Number(value);
}
