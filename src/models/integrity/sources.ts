/**
 * What a file should contain, as far as anybody says: the lock file, a `.sha256` beside it, the record of `shimmy pull`, and stores that
 * name a file by its digest.
 * Called by `integrity.ts`. All of them count: a file must agree with each.
 */
import { open, realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { keyOf, type LockFile } from "./lock-file.ts";

export type SourceKind = "shimmy.lock" | ".sha256 file" | "pull" | "ollama" | "huggingface";

export interface ExpectedDigest {
  readonly source: SourceKind;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** A list of the digests of a whole release may be long; more than this is not one. */
const MAX_LIST_BYTES = 256 * 1024;

/** @param lockPath where the lock was read, for its relative names. */
export async function expectedDigests(path: string, lock: LockFile, lockPath: string): Promise<ExpectedDigest[]> {
  const locked = lock.get(keyOf(lockPath, path))?.sha256;
  const listed = await besideFile(path);
  const pulled = await pulledAs(path);
  const stored = storedUnder(await realpath(path).catch(() => path));
  return [
    ...(locked === undefined ? [] : [{ source: "shimmy.lock", sha256: locked } as const]),
    ...(listed === undefined ? [] : [{ source: ".sha256 file", sha256: listed } as const]),
    ...(pulled === undefined ? [] : [{ source: "pull", sha256: pulled } as const]),
    ...(stored === undefined ? [] : [stored]),
  ];
}

/**
 * Ollama: blobs/sha256-DIGEST. Hugging Face cache: snapshots/…/name.gguf is a link to blobs/DIGEST, for files that came through LFS;
 * others have 40 digits there (git's own), which say nothing of the content alone.
 */
function storedUnder(realPath: string): ExpectedDigest | undefined {
  const name = basename(realPath).toLowerCase();
  const ollama = /^sha256[-:]([0-9a-f]{64})$/.exec(name)?.[1];
  if (ollama !== undefined) return { source: "ollama", sha256: ollama };
  return /^[0-9a-f]{64}$/.test(name) && basename(dirname(realPath)) === "blobs" ? { source: "huggingface", sha256: name } : undefined;
}

/** By the record that hub/records.ts keeps beside the first file of a model, with the digests that the hub listed. */
async function pulledAs(path: string): Promise<string | undefined> {
  const text = await readStart(`${path.replace(/-\d{5}(?=-of-\d{5}\.gguf$)/, "-00001")}.pull.json`);
  if (text === undefined) return undefined;
  try {
    const { files } = JSON.parse(text) as { files: ReadonlyArray<{ name?: unknown; sha256?: unknown }> };
    const digest = files.find(({ name }) => name === basename(path))?.sha256;
    return typeof digest === "string" && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  } catch {
    return undefined; // no record of ours
  }
}

async function besideFile(path: string): Promise<string | undefined> {
  const text = await readStart(`${path}.sha256`);
  return text === undefined ? undefined : digestIn(text, basename(path));
}

/** The digest of `name` in the output of sha256sum ("HEX  name", "HEX *name"), of shasum --tag ("SHA256 (name) = HEX"), or bare. */
export function digestIn(text: string, name: string): string | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  for (const line of lines) {
    const [, plain, named] = /^\\?([0-9a-f]{64})[ \t]+\*?(.+)$/i.exec(line) ?? [];
    const [, tagged, tag] = /^SHA256 \((.+)\) = ([0-9a-f]{64})$/i.exec(line) ?? [];
    if (plain !== undefined && basename(named!.trim()) === name) return plain.toLowerCase();
    if (tag !== undefined && basename(tagged!) === name) return tag.toLowerCase();
  }
  const bare = lines.length === 1 ? /^([0-9a-f]{64})$/i.exec(lines[0]!.trim())?.[1] : undefined;
  return bare?.toLowerCase();
}

async function readStart(path: string): Promise<string | undefined> {
  // "r" on a named pipe would wait for its writer: O_NONBLOCK does not, and does nothing to files.
  const { constants } = await import("node:fs");
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => undefined);
  if (!file) return undefined;
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_LIST_BYTES) return undefined;
    return await file.readFile("utf8");
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
