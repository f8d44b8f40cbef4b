/**
 * Responses kept as files, one each, in a folder of the user's data: a database would need a compiler or a download, and nothing here asks
 * more than "the one with this id". Loaded with the first response that is kept or asked for. It must not know the Responses API.
 *
 *     <folder>/<32 hex>.json     private, written whole, in the order in which they came; the oldest go first
 */
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ResponseStore, StoredResponse } from "../../contract/responses.ts";
import { writeWhole } from "../../models/write-whole.ts";

export interface StoreOptions {
  readonly folder: string;
  /** 0: nothing is kept. */
  readonly maxCount: number;
  readonly maxBytes: number;
  /** 30 days, as OpenAI keeps them. */
  readonly maxAgeMs?: number;
  /** What could not be written or read; the caller was answered all the same. */
  readonly onProblem: (error: unknown, what: string) => void;
  readonly now?: () => number;
}

const MONTH_MS = 30 * 86_400_000;
/** Beyond a limit so much is removed that the next few need no look at the folder. */
const ROOM = 0.9;
/** Of all bytes, the most for one: a conversation without end neither pushes out all others nor is read whole at each turn. */
const SHARE = 1 / 8;
const PART = /\.part$/;
/** A file that is being written is younger. */
const STALE_PART_MS = 3_600_000;

interface Kept {
  readonly bytes: number;
  readonly at: number;
}

export function openResponseStore(options: StoreOptions): ResponseStore {
  return options.maxCount > 0 ? new FileResponseStore(options) : NOTHING;
}

const NOTHING: ResponseStore = {
  get: async () => undefined,
  put: () => undefined,
  delete: async () => false,
  close: async () => undefined,
};

class FileResponseStore implements ResponseStore {
  /** Told and not yet on the disk. */
  private readonly pending = new Map<string, StoredResponse>();
  private readonly now: () => number;
  private readonly maxAgeMs: number;
  /** By hexadecimal name, the oldest first; read from the folder once, then kept up. */
  private kept: Promise<Map<string, Kept>> | undefined;
  /** One write after the other. */
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly options: StoreOptions) {
    this.now = options.now ?? Date.now;
    this.maxAgeMs = options.maxAgeMs ?? MONTH_MS;
  }

  async get(id: string, caller: string | undefined): Promise<StoredResponse | undefined> {
    const name = nameOf(id);
    if (name === undefined) return undefined;
    const stored = this.pending.get(name) ?? (await this.read(name));
    if (!stored || stored.caller !== caller || stored.createdAt < this.now() - this.maxAgeMs) return undefined;
    return stored;
  }

  put(stored: StoredResponse): void {
    const name = nameOf(stored.id);
    if (name === undefined) throw new Error(`Not an id of a response: ${stored.id}`);
    this.pending.set(name, stored);
    this.enqueue(async () => {
      // Deleted, or told anew, before its turn came.
      if (this.pending.get(name) !== stored) return;
      try {
        await this.write(name, stored);
      } finally {
        if (this.pending.get(name) === stored) this.pending.delete(name);
      }
    });
  }

  async delete(id: string, caller: string | undefined): Promise<boolean> {
    const name = nameOf(id);
    if (name === undefined || !(await this.get(id, caller))) return false;
    this.pending.delete(name);
    await this.enqueue(() => this.remove(name));
    return true;
  }

  async close(): Promise<void> {
    // What ran to the end is put while the last one is written.
    do await this.writing;
    while (this.pending.size > 0);
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    this.writing = this.writing.then(work).catch((error) => this.options.onProblem(error, "a response could not be kept"));
    return this.writing;
  }

  private async write(name: string, stored: StoredResponse): Promise<void> {
    const text = JSON.stringify({ version: 1, ...stored });
    const bytes = Buffer.byteLength(text);
    const { maxBytes, maxCount } = this.options;
    const most = Math.floor(maxBytes * SHARE);
    if (bytes > most) throw new Error(`it has ${bytes} bytes, one response may have ${most}`);
    await writeWhole(this.pathOf(name), text);
    const kept = await this.index();
    kept.delete(name);
    kept.set(name, { bytes, at: this.now() });
    if (kept.size > maxCount || total(kept) > maxBytes) await this.makeRoom(maxCount * ROOM, maxBytes * ROOM);
  }

  /** The newest stays, whatever it weighs. */
  private async makeRoom(maxCount: number, maxBytes: number): Promise<void> {
    const kept = await this.index();
    let bytes = total(kept);
    for (const [name, entry] of [...kept].slice(0, -1)) {
      if (kept.size <= maxCount && bytes <= maxBytes) return;
      bytes -= entry.bytes;
      await this.remove(name);
    }
  }

  private async remove(name: string): Promise<void> {
    (await this.index()).delete(name);
    await rm(this.pathOf(name), { force: true });
  }

  private index(): Promise<Map<string, Kept>> {
    this.kept ??= this.look();
    return this.kept;
  }

  /** What lies there; what is too old, or was left half written by a process that ended, goes. */
  private async look(): Promise<Map<string, Kept>> {
    const found: Array<readonly [string, Kept]> = [];
    const { folder } = this.options;
    for (const file of await readdir(folder).catch(() => [])) {
      const name = /^([0-9a-f]{32})\.json/.exec(file)?.[1];
      const path = join(folder, file);
      const status = name === undefined ? undefined : await stat(path).catch(() => undefined);
      if (name === undefined || !status?.isFile()) continue;
      const age = this.now() - status.mtimeMs;
      if (PART.test(file) ? age > STALE_PART_MS : age > this.maxAgeMs) await rm(path, { force: true });
      else if (!PART.test(file)) found.push([name, { bytes: status.size, at: status.mtimeMs }]);
    }
    return new Map(found.sort(([, a], [, b]) => a.at - b.at));
  }

  private async read(name: string): Promise<StoredResponse | undefined> {
    let text: string;
    try {
      text = await readFile(this.pathOf(name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.options.onProblem(error, "a kept response could not be read");
      return undefined;
    }
    const stored = parsed(text);
    if (stored?.id === `resp_${name}`) return stored;
    this.options.onProblem(new Error(`${name}.json is not what was written there`), "a kept response could not be read");
    return undefined;
  }

  private pathOf(name: string): string {
    return join(this.options.folder, `${name}.json`);
  }
}

/** The name of its file: hexadecimal digits and nothing that a path could be made of. */
function nameOf(id: string): string | undefined {
  return /^resp_([0-9a-f]{32})$/.exec(id)?.[1];
}

function total(kept: ReadonlyMap<string, Kept>): number {
  let bytes = 0;
  for (const entry of kept.values()) bytes += entry.bytes;
  return bytes;
}

/** A file may have been cut or changed by anybody. */
function parsed(text: string): StoredResponse | undefined {
  try {
    const { version, id, caller, createdAt, input, response } = JSON.parse(text);
    const sound =
      version === 1 &&
      typeof id === "string" &&
      (caller === undefined || typeof caller === "string") &&
      typeof createdAt === "number" &&
      Array.isArray(input) &&
      typeof response === "object" &&
      response !== null &&
      Array.isArray(response.output);
    return sound ? { id, createdAt, input, response, ...(caller !== undefined && { caller }) } : undefined;
  } catch {
    // Told by the caller of this function.
    return undefined;
  }
}
