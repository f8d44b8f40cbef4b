/** How fast the instance was there, and how little it takes while nobody asks. Called by checks.ts. */
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { megabytes, milliseconds } from "../figures.ts";
import { bareServerBytes, type CommandLine, startServer } from "../own-server.ts";
import type { Subject } from "./subject.ts";

const START_MS = 2000;
const BASE_BYTES = 5e6;

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

/** What was configured that an empty server has not. */
export interface Burden {
  /** Models are loaded at the start, so it never is without one. */
  readonly preloads: boolean;
  /** In words, what takes memory at the start: "alerts". */
  readonly extras: readonly string[];
}

/** @param commandLine that of the instance */
export function baseMemory(group: string, { own, dead }: Subject, commandLine: CommandLine, { preloads, extras }: Burden): Check {
  return {
    group,
    name: "base memory",
    run: async () => {
      if (dead) return unmeasured("the server does not run");
      if (!own) return unmeasured("only one that was just started is without work");
      if (preloads) return unmeasured("it loads models at its start (--preload)");
      const ours = own.idleBytes;
      const bare = ours === undefined ? undefined : await bareServerBytes(commandLine);
      if (ours === undefined || bare === undefined) return unmeasured(`${process.platform} does not tell what memory is private`);
      // A busy machine adds to it and takes nothing away, so a second look is fair.
      const again = ours - bare > BASE_BYTES ? await idleAgain(commandLine) : undefined;
      return judgeBase(Math.min(ours, again ?? ours), bare, extras);
    },
  };
}

async function idleAgain(commandLine: CommandLine): Promise<number | undefined> {
  const { idleBytes, stop } = await startServer(commandLine);
  await stop();
  return idleBytes;
}

export function judgeBase(ours: number, bare: number, extras: readonly string[] = []): Finding {
  const value = ours - bare;
  const more = { value, limit: `≤ ${megabytes(BASE_BYTES)} above bare Node` };
  const measured = `${megabytes(value)} (${megabytes(ours)}, bare http server ${megabytes(bare)})`;
  if (value > BASE_BYTES && extras.length > 0)
    return warn(`${measured}, with ${extras.join(", ")}`, `The limit is for a server without ${extras.join(" and ")}.`, more);
  return value <= BASE_BYTES ? pass(measured, more) : fail(measured, "Run it again on a quiet machine; if it stays, report it.", more);
}
