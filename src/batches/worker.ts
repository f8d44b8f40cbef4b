/**
 * All batches of this server: takes them, works on them, goes on with what an earlier process left. Loaded with the first use of
 * /v1/batches, or when there is something unfinished. Several servers may share the folder: a batch is worked on by who has its lock.
 */
import type { Batch, Batches, BatchOwner, BatchWish, Dispatch } from "../contract/batches.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { FileStore } from "../files/store.ts";
import { newFileId } from "../files/store.ts";
import { acquire, type Lock } from "../models/process-lock.ts";
import type { Logger } from "../telemetry/log.ts";
import { Gate } from "./gate.ts";
import { type BatchRecord, isOver, newBatchId, Records } from "./records.ts";
import { BatchRun, type RunOptions } from "./run.ts";

export interface WorkerOptions {
  /** Made when it is needed; for the user alone. */
  readonly folder: string;
  readonly files: FileStore;
  readonly dispatch: Dispatch;
  /** How many requests may be under way now. */
  readonly parallel: () => Promise<number>;
  /** Bytes of a line of an input file. */
  readonly maxLineBytes: number;
  /** How long a batch that is over can be looked at; 0: for ever. */
  readonly expiryMs: number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly wait?: NonNullable<RunOptions["wait"]>;
}

/** The completion window. */
const WINDOW_MS = 24 * 3_600_000;
/** Each that works has a file open and its line numbers in memory. */
const MAX_UNFINISHED = 100;
/** A folder without a record is this old when nobody is making it any more. */
const ABANDONED_AFTER_MS = 3_600_000;
/** Most that are remembered: lists are read from the disk. */
const MAX_BATCHES = 10_000;
const FORGET_EVERY_MS = 3_600_000;
/** As long as the lock of a process that has gone may hold. */
const LOOK_AGAIN_MS = 60_000;

export class BatchWorker implements Batches {
  readonly #options: WorkerOptions;
  readonly #now: () => number;
  readonly #records: Records;
  readonly #gate: Gate;
  readonly #runs = new Map<string, { readonly run: BatchRun; readonly ended: Promise<void> }>();
  /** A batch is begun once, however many ask for it. */
  readonly #beginning = new Map<string, Promise<void>>();
  #closed = false;
  #forgotAt = Number.NEGATIVE_INFINITY;
  #lookAgain: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#records = new Records(options.folder);
    this.#gate = new Gate(options.parallel);
  }

  /** Goes on with all that is unfinished and nobody works on; what another server works on is looked at again, for that may end. */
  async resume(): Promise<void> {
    clearTimeout(this.#lookAgain);
    const unfinished = await this.#records.unfinished();
    for (const id of unfinished) await this.#begin(id);
    if (this.#closed || unfinished.every((id) => this.#runs.has(id))) return;
    const again = () =>
      this.resume().catch((error: unknown) => this.#options.log.warn("batches were not looked at", { err: asError(error) }));
    this.#lookAgain = setTimeout(again, LOOK_AGAIN_MS).unref();
  }

  async create(wish: BatchWish, owner: BatchOwner): Promise<Batch> {
    if (this.#closed) throw new ShimmyError("shutting_down");
    const { files } = this.#options;
    const { purpose } = await files.get(wish.inputFileId, owner.caller).catch((error: unknown) => {
      throw error instanceof ShimmyError
        ? new ShimmyError(error.code, { ...error.details, param: "input_file_id" }, { cause: error })
        : error;
    });
    if (purpose !== "batch")
      throw new ShimmyError("invalid_value", { param: "input_file_id", reason: "the purpose of the file must be batch" });
    await this.#forgetOld();
    const { length: open } = await this.#records.unfinished();
    if (open >= MAX_UNFINISHED) throw new ShimmyError("batches_full", { open });
    if ((await this.#records.count()) >= MAX_BATCHES) throw new ShimmyError("files_full", { limit: `${MAX_BATCHES} batches` });
    const record = this.#newRecord(wish, owner);
    const { id } = record.batch;
    try {
      // The input outlives the file it was: that may be deleted at any time.
      await this.#records.beginWork(id);
      await files.linkTo(wish.inputFileId, owner.caller, this.#records.work(id, "input.jsonl"));
      await this.#records.write(record);
    } catch (cause) {
      await this.#records.endWork(id);
      if (cause instanceof ShimmyError) throw cause;
      throw new ShimmyError("files_unusable", { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" }, { cause });
    }
    await this.#begin(id);
    return record.batch;
  }

  async get(id: string, caller: string | undefined): Promise<Batch> {
    const { batch } = await this.#recordOf(id, caller);
    // Whoever worked on it may be gone.
    if (!isOver(batch)) await this.#begin(id);
    return this.#runs.get(id)?.run.batch ?? (await this.#records.read(id))?.batch ?? batch;
  }

  async list(caller: string | undefined): Promise<readonly Batch[]> {
    const records = (await this.#records.all()).filter(({ owner }) => owner.caller === caller);
    return records.map(({ batch }) => this.#runs.get(batch.id)?.run.batch ?? batch);
  }

  async cancel(id: string, caller: string | undefined): Promise<Batch> {
    const record = await this.#recordOf(id, caller);
    const { batch, ending } = { ending: record.ending, batch: this.#runs.get(id)?.run.batch ?? record.batch };
    if (isOver(batch) || (ending && ending !== "cancelled")) throw new ShimmyError("batch_over", { status: batch.status });
    const at = this.#now();
    if (!(await this.#records.markCancelled(id, at))) {
      const { batch: over } = await this.#recordOf(id, caller);
      throw new ShimmyError("batch_over", { status: over.status });
    }
    await this.#begin(id);
    await this.#runs.get(id)?.run.cancel(at);
    return { ...batch, status: "cancelling", cancellingAt: batch.cancellingAt ?? at };
  }

  /** Resolves when nothing is worked on any more; what is unfinished stays for the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#lookAgain);
    await Promise.all(this.#beginning.values());
    const runs = [...this.#runs.values()];
    for (const { run } of runs) run.stop();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  #newRecord({ inputFileId, endpoint, metadata, outputExpiresAfterMs }: BatchWish, { caller, strict }: BatchOwner): BatchRecord {
    const createdAt = this.#now();
    return {
      batch: {
        id: newBatchId(),
        endpoint,
        inputFileId,
        status: "validating",
        ...(metadata && { metadata }),
        counts: { total: 0, completed: 0, failed: 0 },
        createdAt,
        expiresAt: createdAt + WINDOW_MS,
      },
      owner: { ...(caller !== undefined && { caller }), ...(strict && { strict }) },
      planned: { output: newFileId(), error: newFileId() },
      ...(outputExpiresAfterMs !== undefined && { outputExpiresAfterMs }),
    };
  }

  /** What is long over; looked for now and then, when one more comes. */
  async #forgetOld(): Promise<void> {
    const { expiryMs } = this.#options;
    if (expiryMs === 0 || this.#now() - this.#forgotAt < FORGET_EVERY_MS) return;
    this.#forgotAt = this.#now();
    for (const { batch } of await this.#records.all())
      if (isOver(batch) && this.#now() - batch.createdAt > expiryMs) await this.#records.forget(batch.id);
  }

  /** @throws batch_not_found */
  async #recordOf(id: string, caller: string | undefined): Promise<BatchRecord> {
    const record = await this.#records.read(id);
    if (!record || record.owner.caller !== caller) throw new ShimmyError("batch_not_found", { batch: id.slice(0, 64) });
    return record;
  }

  async #begin(id: string): Promise<void> {
    if (this.#closed || this.#runs.has(id)) return;
    let beginning = this.#beginning.get(id);
    if (!beginning) {
      beginning = this.#tryBegin(id).finally(() => this.#beginning.delete(id));
      this.#beginning.set(id, beginning);
    }
    await beginning;
  }

  async #tryBegin(id: string): Promise<void> {
    const lock = await lockNow(this.#records.work(id, "lock"));
    if (!lock) return; // another server works on it, or it is over
    const record = await this.#records.read(id);
    if (!record || isOver(record.batch)) {
      // Half made, or its end was not tidied up.
      if (record || (await this.#records.ageOfWork(id)) > ABANDONED_AFTER_MS) await this.#records.endWork(id);
      return lock.release();
    }
    const run = new BatchRun(record, { ...this.#options, records: this.#records, gate: this.#gate, now: this.#now });
    const ended = this.#work(run, id, lock);
    this.#runs.set(id, { run, ended });
  }

  /** Never rejects: nobody waits for it until the end. */
  async #work(run: BatchRun, id: string, lock: Lock): Promise<void> {
    const { log } = this.#options;
    try {
      await run.work();
    } catch (error) {
      log.error("batch failed", { id, err: asError(error) });
      const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
      // If even that cannot be written, the next process finds the batch as it was.
      await run.fail(`The batch could not go on (${reason}).`).catch(() => undefined);
    }
    const { status, counts } = run.batch;
    log.info("batch", { id, status, total: counts.total, completed: counts.completed, failed: counts.failed });
    try {
      if (isOver((await this.#records.read(id))?.batch ?? run.batch)) await this.#records.endWork(id);
      await lock.release();
    } catch (error) {
      log.warn("the work folder of a batch could not be tidied up", { id, err: asError(error) });
    }
    this.#runs.delete(id);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** @returns undefined if somebody else has it, or there is no such folder. */
async function lockNow(path: string): Promise<Lock | undefined> {
  const leave = new AbortController();
  try {
    return await acquire(path, { signal: leave.signal, onWait: () => leave.abort() });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "client_closed" || code === "ENOENT") return undefined;
    throw error;
  }
}
