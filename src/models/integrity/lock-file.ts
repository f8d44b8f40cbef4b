/**
 * shimmy.lock: what the files of the models should contain, written by `shimmy verify --write` and meant to be kept in version control.
 * Called by `sources.ts` and the verify command. Its paths are compared with files that were found elsewhere; they are never opened.
 *
 *   { "version": 1, "files": { "models/a.gguf": { "sha256": "…", "size": 123 } } }      relative to the folder of the lock file
 */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { ShimmyError } from "../../contract/errors.ts";
import { writeWhole } from "../write-whole.ts";

export interface Locked {
  readonly sha256: string;
  readonly size: number;
}

/** Key (see `keyOf`) → content. */
export type LockFile = ReadonlyMap<string, Locked>;

export const LOCK_NAME = "shimmy.lock";
/** Readable by all: it holds nothing secret and belongs to a project. */
const LOCK_MODE = 0o644;

/** How the lock file names a file: relative with forward slashes where the file lies below it, else absolute. */
export function keyOf(lockPath: string, path: string): string {
  const below = relative(dirname(resolve(lockPath)), resolve(path));
  return below.startsWith("..") || isAbsolute(below) ? resolve(path) : below.split(sep).join("/");
}

/** A file that does not exist locks nothing. @throws lock_file: one that is not understood must not pass for no lock at all. */
export async function readLock(lockPath: string): Promise<LockFile> {
  let text: string;
  try {
    text = await readFile(lockPath, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return new Map();
    throw new ShimmyError("lock_file", { reason: `it cannot be read (${code})` }, { cause: error });
  }
  return parse(text);
}

/** @throws what the file system throws. */
export async function writeLock(lockPath: string, lock: LockFile): Promise<void> {
  const sorted = [...lock].sort(([a], [b]) => (a < b ? -1 : 1));
  await writeWhole(lockPath, `${JSON.stringify({ version: 1, files: Object.fromEntries(sorted) }, null, 2)}\n`, LOCK_MODE);
}

function parse(text: string): LockFile {
  let value: { version?: unknown; files?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ShimmyError("lock_file", { reason: "it is not JSON" }, { cause });
  }
  if (typeof value !== "object" || value?.version !== 1) throw new ShimmyError("lock_file", { reason: "its version is not 1" });
  if (typeof value.files !== "object" || value.files === null) throw new ShimmyError("lock_file", { reason: "it has no files" });
  return new Map(Object.entries(value.files).map(([key, entry]) => [key, locked(key, entry)]));
}

function locked(key: string, entry: { sha256?: unknown; size?: unknown } | null): Locked {
  const sha256 = entry?.sha256;
  const size = entry?.size;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256) || typeof size !== "number") {
    throw new ShimmyError("lock_file", { reason: `the entry of ${JSON.stringify(key.split("/").at(-1))} has no sha256 and size` });
  }
  return { sha256: sha256.toLowerCase(), size };
}
