/**
 * One process at a time on this machine: a file that names the process that works. Taken for pulls (hub/) and batches (batches/). The owner
 * touches it; one whose process is gone, or that was not touched for a while (another machine, a process number used anew), is taken over.
 */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { ShimmyError } from "../contract/errors.ts";

export interface Lock {
  release(): Promise<void>;
}

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Somebody else has it; called at each look. */
  readonly onWait: (pid: number) => Promise<void> | void;
  readonly lookEveryMs?: number;
  readonly staleAfterMs?: number;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

const LOOK_EVERY_MS = 500;
const TOUCH_EVERY_MS = 10_000;
const STALE_AFTER_MS = 60_000;

/** Tokens of the locks that this process holds: one with its number and another token was left by a process that had the number before. */
const held = new Set<string>();

/** @throws client_closed when the signal is aborted while it waits. */
export async function acquire(
  path: string,
  { signal, onWait, lookEveryMs = LOOK_EVERY_MS, staleAfterMs = STALE_AFTER_MS }: LockOptions,
): Promise<Lock> {
  const own: Owner = { pid: process.pid, host: hostname(), token: randomUUID() };
  for (;;) {
    if (signal.aborted) throw new ShimmyError("client_closed");
    if (await create(path, own)) return keep(path, own);
    const owner = await readOwner(path);
    if (await isStale(path, owner, staleAfterMs)) await takeAway(path, owner);
    else {
      await onWait(owner?.pid ?? 0);
      await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined); // an abort is seen above
    }
  }
}

async function create(path: string, own: Owner): Promise<boolean> {
  // Written aside and linked: nobody ever reads half a lock.
  const aside = `${path}.${own.token}`;
  held.add(own.token);
  try {
    const handle = await open(aside, "wx");
    // Closed also where the disk is full.
    await handle.writeFile(JSON.stringify(own)).finally(() => handle.close());
    await link(aside, path);
    return true;
  } catch (error) {
    held.delete(own.token);
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

function keep(path: string, own: Owner): Lock {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined); // taken away: the file's checksum decides then
  }, TOUCH_EVERY_MS);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      if ((await readOwner(path))?.token === own.token) await rm(path, { force: true });
      held.delete(own.token);
    },
  };
}

/** Undefined: gone, or no lock of ours. */
async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  try {
    const { pid, host, token } = JSON.parse(text) as Owner;
    return Number.isSafeInteger(pid) && typeof token === "string" ? { pid, host, token } : undefined;
  } catch {
    return undefined;
  }
}

async function isStale(path: string, owner: Owner | undefined, staleAfterMs: number): Promise<boolean> {
  if (owner?.host === hostname() && !isHeld(owner)) return true;
  const touched = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.POSITIVE_INFINITY, // just released
  );
  return Date.now() - touched > staleAfterMs;
}

/** In a container each start has the same process number. */
function isHeld({ pid, token }: Owner): boolean {
  if (pid === process.pid) return held.has(token);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

/** Two may find the same lock stale: whoever moves away the new lock of the other puts it back. */
async function takeAway(path: string, stale: Owner | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // somebody was faster
    throw error;
  }
  if ((await readOwner(aside))?.token !== stale?.token) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
