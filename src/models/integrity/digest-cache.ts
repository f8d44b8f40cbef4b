/**
 * What files were found to contain, kept in the user's cache folder, so that no file is read twice. Called by `integrity.ts`, and by what
 * downloads files. A damaged or unreadable cache is an empty one; one that cannot be written costs only time.
 *
 *   digests.json  { "version": 1, "files": { "/path": { size, mtimeMs, ctimeMs, inode, sha256 } } }
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { cacheFile } from "../header-cache.ts";
import type { Surroundings } from "../stores/store.ts";
import { writeWhole } from "../write-whole.ts";
import { type FileIdentity, identityOf, sameIdentity } from "./identity.ts";

interface Entry extends FileIdentity {
  readonly sha256: string;
}

/** The oldest go first. */
const MAX_ENTRIES = 4096;
/** Of a file that somebody else could have put there. */
const MAX_BYTES = 8 * 1024 * 1024;
const SHA256 = /^[0-9a-f]{64}$/;

/** Where this system keeps caches, beside that of the headers. */
export function cacheFolder(
  { env, home, platform }: Surroundings = { env: process.env, home: homedir(), platform: process.platform },
): string {
  return dirname(cacheFile({ env, home, platform }));
}

export class DigestCache {
  readonly #file: string;

  constructor(folder = cacheFolder()) {
    this.#file = join(folder, "digests.json");
  }

  /** The digest of the file as it is now, if it was found out before. */
  async get(path: string): Promise<string | undefined> {
    const entry = (await this.#read()).get(path);
    if (!entry) return undefined;
    const now = await identityOf(path).catch(() => undefined);
    return now && sameIdentity(now, entry) ? entry.sha256 : undefined;
  }

  /** @param identity of the file when it was read. @returns false when the folder cannot be written. */
  async set(path: string, identity: FileIdentity, sha256: string): Promise<boolean> {
    // Read again: another process may have added to it. What it adds in this very moment is lost, and read again some day.
    const entries = await this.#read();
    entries.delete(path);
    entries.set(path, { ...identity, sha256 });
    const kept = [...entries].slice(-MAX_ENTRIES);
    return writeWhole(this.#file, `${JSON.stringify({ version: 1, files: Object.fromEntries(kept) })}\n`).then(
      () => true,
      () => false,
    );
  }

  async #read(): Promise<Map<string, Entry>> {
    const text = await readFile(this.#file, "utf8").catch(() => "");
    if (text.length > MAX_BYTES) return new Map();
    return new Map(Object.entries(filesIn(text)).filter((pair): pair is [string, Entry] => isEntry(pair[1])));
  }
}

/** The `files` of a JSON text, or none. */
function filesIn(text: string): Record<string, unknown> {
  try {
    const { version, files } = JSON.parse(text) as { version?: unknown; files?: unknown };
    return version === 1 && typeof files === "object" && files !== null ? (files as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const { size, mtimeMs, ctimeMs, inode, sha256 } = value as Partial<Record<keyof Entry, unknown>>;
  return [size, mtimeMs, ctimeMs, inode].every((number) => typeof number === "number") && typeof sha256 === "string" && SHA256.test(sha256);
}
