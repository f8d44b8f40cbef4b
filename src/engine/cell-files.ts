/**
 * KV cells on disk, so that a conversation goes on after a restart where it was. Used by cell-store.ts. A file belongs to one model
 * file, engine version and layout of the cache; it is written whole or not at all, readable by its owner only, and believed only if
 * its checksum is right. Nothing here throws for a file that is not as it should be: it is as if it were not there.
 *
 *   SHIMMYKV1 \n { key, tokens, salt, sha256 } \n  token ids, 4 bytes each │ state of llama_state_seq_get_data
 */
import { createHash } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, utimesSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Content } from "../scheduler/cells.ts";

export interface StoredFile {
  readonly path: string;
  readonly content: Content;
}

interface Header {
  readonly key: string;
  /** How many. */
  readonly tokens: number;
  readonly salt: string;
  /** Of everything after the header. */
  readonly sha256: string;
}

const MAGIC = "SHIMMYKV1";
const SUFFIX = ".kv";
const LONGEST_HEADER = 4096;
const EDGE_BYTES = 1 << 20;

/** What a model file is, without reading all of it: its size and its two ends. The header at its beginning differs with any retraining. */
export function fingerprint(path: string): string {
  const { size } = statSync(path);
  const hash = createHash("sha256").update(String(size));
  const file = openSync(path, "r");
  try {
    const edge = Buffer.alloc(Math.min(EDGE_BYTES, size));
    for (const at of [0, size - edge.length]) hash.update(edge.subarray(0, readSync(file, edge, 0, edge.length, at)));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}

export class CellFiles {
  readonly #folder: string;
  readonly #key: string;
  readonly #budget: number;

  /** `key`: model, engine version and layout in one hash. `budget`: bytes of all files in the folder. @throws when it cannot be made. */
  constructor(folder: string, key: string, budget: number) {
    this.#folder = folder;
    this.#key = key;
    this.#budget = budget;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  }

  /** What is there for this model, the newest last. */
  list(): StoredFile[] {
    return this.#files().flatMap(({ path }) => {
      const content = this.#contentOf(path);
      return content ? [{ path, content }] : [];
    });
  }

  /** The state, if the file is whole. */
  read(path: string): Buffer | undefined {
    try {
      const bytes = readFileSync(path);
      const parsed = parse(bytes);
      if (parsed?.header.key !== this.#key || sha256(bytes.subarray(parsed.bodyAt)) !== parsed.header.sha256) return undefined;
      utimesSync(path, new Date(), new Date());
      return bytes.subarray(parsed.bodyAt + parsed.header.tokens * 4);
    } catch {
      return undefined; // gone, or not ours to read
    }
  }

  /** @returns the path, or undefined when it does not fit the budget or the disk. */
  async write({ tokens, length, salt }: Content, state: Uint8Array): Promise<string | undefined> {
    const ids = Buffer.from(Int32Array.from(tokens.slice(0, length)).buffer);
    const body = [ids, state];
    const digest = createHash("sha256");
    for (const part of body) digest.update(part);
    const sum = digest.digest("hex");
    const header: Header = { key: this.#key, tokens: length, salt, sha256: sum };
    const head = Buffer.from(`${MAGIC}\n${JSON.stringify(header)}\n`);
    if (!this.#makeRoom(head.length + ids.length + state.length)) return undefined;
    const path = join(this.#folder, `${sum.slice(0, 32)}${SUFFIX}`);
    const part = `${path}.${process.pid}.part`;
    try {
      const file = await open(part, "w", 0o600);
      try {
        await file.writev([head, ...body]);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      return path;
    } catch {
      await rm(part, { force: true }).catch(() => undefined);
      return undefined; // a cache that cannot be written is a cache miss later
    }
  }

  remove(path: string): void {
    rmSync(path, { force: true });
  }

  /** Removes the files that were longest unused until so many bytes fit. */
  #makeRoom(bytes: number): boolean {
    if (bytes > this.#budget) return false;
    const files = this.#files();
    let used = files.reduce((sum, { size }) => sum + size, 0);
    for (const { path, size } of files) {
      if (used + bytes <= this.#budget) break;
      this.remove(path);
      used -= size;
    }
    return true;
  }

  /** The longest unused first, those of other models too. */
  #files(): Array<{ path: string; size: number; mtimeMs: number }> {
    const files = this.#names().flatMap((name) => {
      const path = join(this.#folder, name);
      try {
        const { size, mtimeMs } = statSync(path);
        return [{ path, size, mtimeMs }];
      } catch {
        return []; // another engine removed it
      }
    });
    return files.sort((a, b) => a.mtimeMs - b.mtimeMs);
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.endsWith(SUFFIX));
    } catch {
      return [];
    }
  }

  #contentOf(path: string): Content | undefined {
    let file: number | undefined;
    try {
      file = openSync(path, "r");
      const start = Buffer.alloc(LONGEST_HEADER);
      const parsed = parse(start.subarray(0, readSync(file, start, 0, start.length, 0)));
      const { size } = statSync(path);
      if (parsed?.header.key !== this.#key || parsed.bodyAt + parsed.header.tokens * 4 > size) return undefined;
      const ids = new Int32Array(parsed.header.tokens);
      readSync(file, ids, 0, ids.byteLength, parsed.bodyAt);
      return { tokens: Array.from(ids), length: ids.length, salt: parsed.header.salt };
    } catch {
      return undefined;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }
}

function parse(bytes: Buffer): { header: Header; bodyAt: number } | undefined {
  const end = bytes.indexOf("\n", MAGIC.length + 1);
  if (end < 0 || end > LONGEST_HEADER || bytes.toString("latin1", 0, MAGIC.length + 1) !== `${MAGIC}\n`) return undefined;
  const header = JSON.parse(bytes.toString("utf8", MAGIC.length + 1, end)) as Partial<Header>;
  const { key, tokens, salt, sha256 } = header;
  if (typeof key !== "string" || typeof salt !== "string" || typeof sha256 !== "string") return undefined;
  if (!Number.isSafeInteger(tokens) || tokens! <= 0) return undefined;
  return { header: { key, tokens: tokens!, salt, sha256 }, bodyAt: end + 1 };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
