/**
 * One small JSON file of Shimmy's own that a running server reads and writes. Made by assemble.ts for alerts, and by aliases.ts; it must not
 * know what is in it. Several processes may have it: a change is read, made and written by one at a time, and a reader sees a whole file.
 */
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeWhole } from "./write-whole.ts";

/** A file of a thousand aliases has a twentieth of this. */
const MAX_FILE_BYTES = 1024 * 1024;

/** A change takes a millisecond; a lock of another machine that ended in one is taken over. */
const LOCK = { onWait: () => undefined, lookEveryMs: 5, staleAfterMs: 5000 };
/** A lock that is still held then (by the time of its file one of the future, for one) is given up: nobody waits for ever, least of all the end. */
const LONGEST_WAIT_MS = 6000;

export interface StateFile {
  /** @returns what `change` returned last; undefined: there is none, or it is none of ours. Never rejects. */
  read(): Promise<unknown>;
  /** What was unusable is kept beside it, as `….unusable`. @throws what the file system throws; EBUSY: another process does not let go of it */
  change(edit: (state: unknown) => object): Promise<void>;
}

/**
 * @param isOurs what is none is never handed on
 * @param onProblem told of a file that cannot be used, when it is read
 */
export function stateFile(
  path: string,
  isOurs: (state: unknown) => boolean,
  onProblem: (reason: string) => void,
  longestWaitMs = LONGEST_WAIT_MS,
): StateFile {
  return {
    async read() {
      const { state, problem } = await readState(path, isOurs);
      if (problem) onProblem(problem);
      return state;
    },
    async change(edit) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const { acquire } = await import("./process-lock.ts");
      const signal = AbortSignal.timeout(longestWaitMs);
      const lock = await acquire(`${path}.lock`, { ...LOCK, signal }).catch((error: unknown) => {
        throw signal.aborted ? Object.assign(new Error("locked by another process"), { code: "EBUSY" }) : error;
      });
      try {
        const { state, problem } = await readState(path, isOurs);
        if (problem) await rename(path, `${path}.unusable`);
        await writeWhole(path, `${JSON.stringify(edit(state), undefined, 2)}\n`);
      } finally {
        await lock.release();
      }
    },
  };
}

async function readState(path: string, isOurs: (state: unknown) => boolean): Promise<{ state?: unknown; problem?: string }> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) return { problem: `it is larger than ${MAX_FILE_BYTES} bytes` };
    const state: unknown = JSON.parse(await readFile(path, "utf8"));
    return isOurs(state) ? { state } : { problem: "it is not what Shimmy writes" };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: "it is no JSON" };
    const code = (error as NodeJS.ErrnoException).code ?? "it cannot be read";
    return code === "ENOENT" || code === "ENOTDIR" ? {} : { problem: code };
  }
}
