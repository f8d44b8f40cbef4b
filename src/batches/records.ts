/**
 * Batches on the disk: `<id>.json` says how each stands; `work/<id>/` is there while it is unfinished, with its input, its answers so far
 * and the lock of the process that works on it. Called by worker.ts and run.ts; a record is written by who holds the lock only.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BATCH_ENDPOINTS, type Batch, type BatchOwner, type BatchStatus } from "../contract/batches.ts";
import { writeWhole } from "../models/write-whole.ts";

export type Ending = "completed" | "cancelled" | "expired";

export interface BatchRecord {
  readonly batch: Batch;
  readonly owner: BatchOwner;
  readonly outputExpiresAfterMs?: number;
  /** Ids of the files to come, so that they are written once however often their writing is begun. */
  readonly planned: { readonly output: string; readonly error: string };
  /** Decided; what is left is writing the files. */
  readonly ending?: Ending;
}

const ID = /^batch_[0-9a-f]{32}$/;
const OVER: readonly BatchStatus[] = ["completed", "failed", "cancelled", "expired"];
const READ_AT_ONCE = 32;

export function newBatchId(): string {
  return `batch_${randomBytes(16).toString("hex")}`;
}

export function isOver({ status }: Pick<Batch, "status">): boolean {
  return OVER.includes(status);
}

export class Records {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined: there is none, or it is not what was written. */
  async read(id: string): Promise<BatchRecord | undefined> {
    if (!ID.test(id)) return undefined;
    const text = await readFile(this.#path(id), "utf8").catch(() => "");
    try {
      const record = JSON.parse(text) as BatchRecord;
      return isRecord(record, id) ? record : undefined;
    } catch {
      return undefined;
    }
  }

  async write(record: BatchRecord): Promise<void> {
    await writeWhole(this.#path(record.batch.id), JSON.stringify(record));
  }

  /** Newest first. */
  async all(): Promise<BatchRecord[]> {
    const ids = (await namesIn(this.#folder)).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
    const records: BatchRecord[] = [];
    for (let i = 0; i < ids.length; i += READ_AT_ONCE) {
      const read = await Promise.all(ids.slice(i, i + READ_AT_ONCE).map((id) => this.read(id)));
      records.push(...read.filter((record) => record !== undefined));
    }
    return records.sort(({ batch: a }, { batch: b }) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  }

  /** How many there are, over or not. */
  async count(): Promise<number> {
    return (await namesIn(this.#folder)).length;
  }

  async forget(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  /** Ids of what is unfinished. */
  async unfinished(): Promise<string[]> {
    return (await namesIn(workFolder(this.#folder))).filter((name) => ID.test(name));
  }

  /** Of an unfinished batch; `beginWork` makes it. */
  work(id: string, name = ""): string {
    return join(workFolder(this.#folder), id, name);
  }

  async beginWork(id: string): Promise<void> {
    await mkdir(this.work(id), { recursive: true, mode: 0o700 });
  }

  async endWork(id: string): Promise<void> {
    await rm(this.work(id), { recursive: true, force: true });
  }

  /** A wish of whoever asked, which outlives the process that heard it. @returns false if it is over meanwhile */
  async markCancelled(id: string, now: number): Promise<boolean> {
    return writeFile(this.work(id, "cancel"), String(now), { mode: 0o600 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return false;
        throw error;
      },
    );
  }

  /** When it was wished, in milliseconds since the epoch. */
  async cancelledAt(id: string): Promise<number | undefined> {
    const text = await readFile(this.work(id, "cancel"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : Number(text) || 0;
  }

  /** Milliseconds since something was made in it; 0 if it is not there. */
  async ageOfWork(id: string): Promise<number> {
    return stat(this.work(id)).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

/** @param folder of the batches. What is in it is unfinished: a server that starts looks here and nowhere else. */
export function workFolder(folder: string): string {
  return join(folder, "work");
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}

/** Somebody may have edited it; what is wrong in its depth fails the batch, not the server. */
function isRecord(record: Partial<BatchRecord> | null, id: string): boolean {
  const { batch, owner, planned } = record ?? {};
  if (
    batch?.id !== id ||
    typeof owner !== "object" ||
    owner === null ||
    typeof planned?.output !== "string" ||
    typeof planned.error !== "string"
  )
    return false;
  const { createdAt, expiresAt, counts, status, endpoint } = batch;
  return (
    [createdAt, expiresAt, counts?.total, counts?.completed, counts?.failed].every(Number.isFinite) &&
    typeof status === "string" &&
    BATCH_ENDPOINTS.includes(endpoint)
  );
}
