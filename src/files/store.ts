/**
 * Stored files: `<id>` is the content, `<id>.json` says what it is and makes it exist. Called by the routes and by batches/. Nothing of it
 * is kept in memory, so that several servers may share the folder. It must not know what the files are for.
 *
 *   file-….part ─(all bytes are there)─▶ file-… ─(its .json is written whole)─▶ a file       deleted in the other order
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import type { FileDraft, Files, ReceivedFile, StoredFile } from "../contract/files.ts";
import { writeWhole } from "../models/write-whole.ts";
import { Account } from "./account.ts";
import { readFileRecord } from "./record.ts";

export interface FileStoreOptions {
  /** Made when it is needed; for the user alone. */
  readonly folder: string;
  readonly maxFileBytes: number;
  readonly maxTotalBytes: number;
  /** API keys, among whom bytes and number of files are divided evenly: none fills the store for the others. Absent: one. */
  readonly owners?: number;
  /** How long files stay that do not say it themselves; 0: for ever. */
  readonly expiryMs: number;
  readonly now?: () => number;
}

const ID = /^file-[0-9a-f]{32}$/;
/** A content, whole or on its way. */
const CONTENT = /^file-[0-9a-f]{32}(\.part)?$/;
/** Most files at once: lists are read from the disk. */
const MAX_FILES = 10_000;
/** Whatever is written is younger than this; older halves were left by a process that is gone. */
const ABANDONED_AFTER_MS = 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;
/** Files that are open at once while a list is read. */
const READ_AT_ONCE = 32;

/** `bytes`: that have come so far. */
interface Upload {
  readonly id: string;
  bytes: number;
  readonly accounts: readonly Account[];
}

export function newFileId(): string {
  return `file-${randomBytes(16).toString("hex")}`;
}

export class FileStore implements Files {
  readonly #options: FileStoreOptions;
  readonly #now: () => number;
  #sweptAt = Number.NEGATIVE_INFINITY;
  readonly #all: Account;
  /** By owner, where the room is divided; there are not more of them than API keys. */
  readonly #accounts = new Map<string | undefined, Account>();
  /** Ids of uploads that are neither kept nor discarded yet. */
  readonly #arriving = new Set<string>();

  constructor(options: FileStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#all = new Account({ bytes: options.maxTotalBytes, files: MAX_FILES, whose: "" });
  }

  async receive(content: AsyncIterable<Uint8Array>, owner: string | undefined): Promise<ReceivedFile> {
    const id = newFileId();
    const part = this.#path(`${id}.part`);
    const upload = { id, bytes: 0, accounts: await unusableIfFails(() => this.#begin(id, owner)) };
    try {
      await this.#write(part, content, upload);
    } catch (error) {
      await rm(part, { force: true });
      this.#leave(upload, false);
      throw error;
    }
    // Until then nobody finds it on the disk, and it is counted here: a form may go on for long behind its file.
    return {
      keep: async (draft) => {
        try {
          const file = await this.#keep(id, part, upload.bytes, draft);
          this.#leave(upload, true);
          return file;
        } catch (error) {
          this.#leave(upload, false);
          throw error;
        }
      },
      discard: async () => {
        await rm(part, { force: true });
        this.#leave(upload, false);
      },
    };
  }

  async #write(part: string, content: AsyncIterable<Uint8Array>, upload: Upload): Promise<void> {
    const { maxFileBytes } = this.#options;
    const handle = await unusableIfFails(() => open(part, "wx", 0o600));
    try {
      for await (const chunk of content) {
        upload.bytes += chunk.byteLength;
        // Each counts it before one of them refuses it.
        const full = upload.accounts.map((account) => account.arrive(chunk.byteLength)).find((error) => error !== undefined);
        if (upload.bytes > maxFileBytes) throw new ShimmyError("file_too_large", { limit: maxFileBytes });
        if (full) throw full;
        await unusableIfFails(() => handle.appendFile(chunk));
      }
      await unusableIfFails(() => handle.sync());
    } finally {
      await handle.close();
    }
  }

  /** Further calls do nothing. */
  #leave({ id, bytes, accounts }: Upload, kept: boolean): void {
    if (!this.#arriving.delete(id)) return;
    for (const account of accounts) account.leave(bytes, kept ? bytes : 0);
  }

  async get(id: string, owner: string | undefined): Promise<StoredFile> {
    const file = ID.test(id) ? await readFileRecord(this.#path(`${id}.json`)) : undefined;
    if (!file || file.id !== id || file.owner !== owner) throw new ShimmyError("file_not_found", { file: id.slice(0, 64) });
    if (file.expiresAt === undefined || file.expiresAt > this.#now()) return file;
    await this.#erase(id);
    throw new ShimmyError("file_not_found", { file: id });
  }

  async list(owner: string | undefined): Promise<readonly StoredFile[]> {
    const files = (await this.#readAll()).filter((file) => file.owner === owner);
    return files.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  async open(id: string, owner: string | undefined): Promise<{ file: StoredFile; content: AsyncIterable<Uint8Array> }> {
    const file = await this.get(id, owner);
    // Opened before anything is answered: a file that is deleted meanwhile is read to its end.
    const handle = await open(this.#path(id), "r").catch((cause: unknown) => {
      throw new ShimmyError("file_not_found", { file: id }, { cause });
    });
    return { file, content: handle.createReadStream() };
  }

  async remove(id: string, owner: string | undefined): Promise<void> {
    await this.get(id, owner);
    await this.#erase(id);
  }

  /** Gives the content a second name outside of the store, so that it outlives the file. @throws file_not_found */
  async linkTo(id: string, owner: string | undefined, path: string): Promise<void> {
    await this.get(id, owner);
    try {
      await link(this.#path(id), path);
    } catch (error) {
      await this.get(id, owner); // it may have been deleted meanwhile
      throw error;
    }
  }

  /** Takes a finished file of the same disk under an id of `newFileId`; one that is there already is replaced. No limit of size holds. */
  async adopt(id: string, path: string, draft: FileDraft): Promise<StoredFile> {
    await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
    const { size } = await stat(path);
    return this.#keep(id, path, size, draft);
  }

  async #keep(id: string, path: string, bytes: number, draft: FileDraft): Promise<StoredFile> {
    const createdAt = this.#now();
    const lifetime = draft.expiresAfterMs ?? this.#options.expiryMs;
    const file: StoredFile = {
      id,
      bytes,
      createdAt,
      ...(lifetime > 0 && { expiresAt: createdAt + lifetime }),
      filename: draft.filename,
      purpose: draft.purpose,
      ...(draft.owner !== undefined && { owner: draft.owner }),
    };
    try {
      await unusableIfFails(() => rename(path, this.#path(id)));
      await unusableIfFails(() => writeWhole(this.#path(`${id}.json`), JSON.stringify(file)));
    } catch (error) {
      await rm(path, { force: true });
      await rm(this.#path(id), { force: true });
      throw error;
    }
    return file;
  }

  async #begin(id: string, owner: string | undefined): Promise<Account[]> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (this.#now() - this.#sweptAt > SWEEP_EVERY_MS) await this.#sweep();
    const accounts: Account[] = [];
    try {
      await this.#all.begin(() => this.#sizes());
      accounts.push(this.#all);
      const own = this.#accountOf(owner);
      await own?.begin(() => this.#sizesOf(owner));
      if (own) accounts.push(own);
    } catch (error) {
      for (const account of accounts) account.leave(0, 0);
      throw error;
    }
    this.#arriving.add(id);
    return accounts;
  }

  #accountOf(owner: string | undefined): Account | undefined {
    const { maxTotalBytes, owners = 1 } = this.#options;
    if (owners <= 1) return undefined;
    const whose = `, the share of one of ${owners} API keys`;
    const account =
      this.#accounts.get(owner) ?? new Account({ bytes: Math.floor(maxTotalBytes / owners), files: Math.ceil(MAX_FILES / owners), whose });
    this.#accounts.set(owner, account);
    return account;
  }

  /** Of contents, those that are arriving at other processes included. */
  async #sizes(): Promise<readonly number[]> {
    const arriving = new Set(this.#arriving);
    const names = (await readdir(this.#options.folder)).filter((name) => CONTENT.test(name) && !arriving.has(idIn(name)));
    const sizes = await Promise.all(names.map((name) => sizeAndTime(this.#path(name))));
    return sizes.map(({ size }) => size);
  }

  /** Reads what is kept, as a list does. */
  async #sizesOf(owner: string | undefined): Promise<readonly number[]> {
    const arriving = new Set(this.#arriving);
    return (await this.list(owner)).filter(({ id }) => !arriving.has(id)).map(({ bytes }) => bytes);
  }

  /** Takes away what has expired, and halves that nobody will finish: parts, and contents without their .json. */
  async #sweep(): Promise<void> {
    this.#sweptAt = this.#now();
    await this.#readAll();
    const names = new Set(await readdir(this.#options.folder));
    for (const name of names) {
      if (!(name.startsWith("file-") && name.endsWith(".part")) && !(ID.test(name) && !names.has(`${name}.json`))) continue;
      const { mtimeMs } = await sizeAndTime(this.#path(name));
      if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await rm(this.#path(name), { force: true });
    }
  }

  /** Those that have expired are erased on the way. */
  async #readAll(): Promise<StoredFile[]> {
    const names = await readdir(this.#options.folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const ids = names.filter((name) => name.endsWith(".json") && ID.test(name.slice(0, -5))).map((name) => name.slice(0, -5));
    const files: StoredFile[] = [];
    for (let i = 0; i < ids.length; i += READ_AT_ONCE) {
      const read = await Promise.all(ids.slice(i, i + READ_AT_ONCE).map((id) => readFileRecord(this.#path(`${id}.json`))));
      for (const [k, file] of read.entries()) {
        if (!file || file.id !== ids[i + k]) continue;
        if (file.expiresAt !== undefined && file.expiresAt <= this.#now()) await this.#erase(file.id);
        else files.push(file);
      }
    }
    return files;
  }

  async #erase(id: string): Promise<void> {
    await rm(this.#path(`${id}.json`), { force: true });
    await rm(this.#path(id), { force: true });
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }
}

/** Of the name of a content. */
function idIn(name: string): string {
  return name.replace(/\.part$/, "");
}

async function sizeAndTime(path: string): Promise<{ size: number; mtimeMs: number }> {
  return stat(path).catch(() => ({ size: 0, mtimeMs: Date.now() })); // it was just taken away
}

/** What the disk refuses is told by its code: messages of the file system hold paths. */
async function unusableIfFails<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ShimmyError) throw cause;
    throw new ShimmyError("files_unusable", { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" }, { cause });
  }
}
