/** How fast the instance was there, and how little it takes while nobody asks. Called by checks.ts, before anything else is asked of it. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Check, type Finding, fail, pass, unmeasured } from "../check.ts";
import { megabytes, milliseconds } from "../figures.ts";
import { memoryOf } from "../processes.ts";
import type { Subject } from "./subject.ts";

const START_MS = 2000;
const BASE_BYTES = 5e6;
/** Node's start-up garbage is collected by then, or never. */
const SETTLE_MS = 700;
const BARE_SERVER = 'require("node:http").createServer((_, r) => r.end()).listen(0, "127.0.0.1", () => console.log("ready"))';

export function startUp(group: string, { own, dead }: Subject): Check {
  return {
    group,
    name: "start-up time",
    run: () => (own ? judgeStart(own.startMs) : unmeasured(dead ? "the server does not answer" : "it ran already")),
  };
}

export function judgeStart(startMs: number): Finding {
  const more = { value: startMs, limit: `< ${START_MS / 1000} s` };
  return startMs < START_MS
    ? pass(milliseconds(startMs), more)
    : fail(milliseconds(startMs), "Look what slows the start: a busy processor, a slow disk, a virus scanner on node_modules.", more);
}

/** @param preloads models are loaded at the start, so it never is without one. */
export function baseMemory(group: string, { own, dead }: Subject, preloads: boolean): Check {
  return {
    group,
    name: "base memory",
    run: async () => {
      if (dead) return unmeasured("the server does not run");
      if (!own) return unmeasured("only one that was just started is without work");
      if (preloads) return unmeasured("it loads models at its start (--preload)");
      await sleep(SETTLE_MS);
      const ours = memoryOf(own.pid)?.privateDirty;
      const bare = ours === undefined ? undefined : await bareServer();
      if (ours === undefined || bare === undefined) return unmeasured(`${process.platform} does not tell what memory is private`);
      return judgeBase(ours, bare);
    },
  };
}

export function judgeBase(ours: number, bare: number): Finding {
  const value = ours - bare;
  const more = { value, limit: `≤ ${megabytes(BASE_BYTES)} above bare Node` };
  const measured = `${megabytes(value)} (${megabytes(ours)}, bare http server ${megabytes(bare)})`;
  return value <= BASE_BYTES ? pass(measured, more) : fail(measured, "Run it again on a quiet machine; if it stays, report it.", more);
}

/** Private memory of a server of node:http that does nothing, in bytes. */
async function bareServer(): Promise<number | undefined> {
  const child = spawn(process.execPath, ["-e", BARE_SERVER], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("error", reject);
      child.once("exit", () => reject(new Error("a bare http server did not start")));
    });
    await sleep(SETTLE_MS);
    return child.pid === undefined ? undefined : memoryOf(child.pid)?.privateDirty;
  } finally {
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
  }
}
