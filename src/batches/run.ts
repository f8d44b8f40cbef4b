/**
 * One batch, from its check to its files, wherever an earlier process left it. Made by worker.ts, which holds its lock.
 *
 *   validating ─▶ in_progress ─▶ (finalizing) ─▶ completed      │ cancelling ─▶ cancelled │ expired
 *       └──────▶ failed                                          stopped: as it is, for the next process
 */
import { createReadStream } from "node:fs";
import type { Batch, Dispatch } from "../contract/batches.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type AttemptOptions, attempt } from "./attempt.ts";
import { type OutputStore, writeOutputs } from "./finish.ts";
import type { Gate } from "./gate.ts";
import { type Line, readLines } from "./lines.ts";
import type { BatchRecord, Ending, Records } from "./records.ts";
import { isBlank, requestOf, validateInput } from "./requests.ts";
import { Results } from "./results.ts";
import { newRowId } from "./row.ts";

export interface RunOptions {
  readonly records: Records;
  readonly files: OutputStore;
  readonly gate: Gate;
  readonly dispatch: Dispatch;
  readonly wait?: NonNullable<AttemptOptions["wait"]>;
  readonly maxLineBytes: number;
  readonly now: () => number;
}

const LONGEST_TIMER_MS = 2_147_483_647;

export class BatchRun {
  readonly #options: RunOptions;
  #record: BatchRecord;
  #results: Results | undefined;
  /** Why no further lines are asked: its time is over or somebody wished it. */
  #ending: Ending | undefined;
  /** Aborted by an ending, a stop or a failure: lines in flight end. */
  readonly #halt = new AbortController();
  #stopped = false;

  constructor(record: BatchRecord, options: RunOptions) {
    this.#record = record;
    this.#options = options;
  }

  /** As it stands now. */
  get batch(): Batch {
    const { batch } = this.#record;
    if (!this.#results) return batch;
    return { ...batch, counts: { total: batch.counts.total, ...this.#results.counts }, usage: this.#results.usage };
  }

  /** The wish is on the disk already. */
  async cancel(at: number): Promise<void> {
    if (this.#ending || this.#record.ending) return;
    this.#ending = "cancelled";
    this.#halt.abort();
    await this.#set({ status: "cancelling", cancellingAt: at });
  }

  /** Lines in flight end; `work` resolves soon after. */
  stop(): void {
    this.#stopped = true;
    this.#halt.abort();
  }

  /** Resolves when it is over or stopped. @throws what the file system throws */
  async work(): Promise<void> {
    if (this.#record.batch.status === "validating" && !(await this.#validate())) return;
    this.#results = await Results.open(this.#path("done.jsonl"));
    try {
      const ending = this.#record.ending ?? (await this.#answer(this.#results));
      if (ending) await this.#finish(this.#results, ending);
    } finally {
      await this.#results.close();
    }
  }

  /** The batch cannot go on, through no fault of its lines. What was answered is given out if it can be. */
  async fail(message: string): Promise<void> {
    const saved = await this.#save().catch(() => ({})); // the disk that refused one may refuse the other
    await this.#set({ ...saved, status: "failed", failedAt: this.#options.now(), errors: [{ code: "server_error", message }] });
  }

  async #save(): Promise<Partial<Batch>> {
    const results = await Results.open(this.#path("done.jsonl"));
    try {
      return await this.#outputs(results, "completed");
    } finally {
      await results.close();
    }
  }

  /** The files that it leaves, and what is in them. */
  async #outputs(results: Results, ending: Ending): Promise<Partial<Batch>> {
    const { files, maxLineBytes } = this.#options;
    const path = (name: string) => this.#path(name);
    const outputs = await writeOutputs({ record: this.#record, ending, results, files, path, maxLineBytes });
    return { ...outputs, counts: { total: this.#record.batch.counts.total, ...results.counts }, usage: results.usage };
  }

  /** @returns false when there is nothing to answer: it has failed, or was stopped. */
  async #validate(): Promise<boolean> {
    const { now, maxLineBytes } = this.#options;
    const { endpoint } = this.#record.batch;
    const input = createReadStream(this.#path("input.jsonl"));
    const verdict = await validateInput(input, endpoint, maxLineBytes, () => this.#stopped);
    if (!verdict) return false;
    const { errors, total, model } = verdict;
    if (errors.length > 0) {
      await this.#set({ status: "failed", failedAt: now(), errors });
      return false;
    }
    const { counts } = this.#record.batch;
    // Cancelled meanwhile: it stays so.
    const status = this.#ending ? {} : { status: "in_progress" as const };
    await this.#set({ ...status, inProgressAt: now(), counts: { ...counts, total }, ...(model !== undefined && { model }) });
    return true;
  }

  /** @returns undefined when it was stopped before all lines were answered. */
  async #answer(results: Results): Promise<Ending | undefined> {
    const { gate, maxLineBytes, now } = this.#options;
    const { expiresAt, counts } = this.#record.batch;
    const deadline = setTimeout(() => this.#end("expired"), Math.max(0, Math.min(expiresAt - now(), LONGEST_TIMER_MS)));
    deadline.unref();
    const working = new Set<Promise<void>>();
    let failure: unknown;
    try {
      for await (const line of readLines(createReadStream(this.#path("input.jsonl")), maxLineBytes)) {
        if (isBlank(line) || results.has(line.number)) continue;
        await this.#lookUp();
        if (!(await gate.enter(this.#halt.signal))) break;
        const task: Promise<void> = this.#answerLine(line, results)
          .catch((error: unknown) => {
            failure ??= error;
            this.#halt.abort();
          })
          .finally(() => {
            gate.leave();
            working.delete(task);
          });
        working.add(task);
      }
    } finally {
      await Promise.all(working);
      clearTimeout(deadline);
    }
    if (failure !== undefined) throw failure;
    if (this.#ending) return this.#ending;
    return this.#stopped && results.size < counts.total ? undefined : "completed";
  }

  async #answerLine(line: Line, results: Results): Promise<void> {
    const { dispatch, wait } = this.#options;
    const { batch, owner } = this.#record;
    const request = requestOf(line, batch.endpoint);
    if ("code" in request) throw new ShimmyError("internal", {}, { cause: new Error("the input of a batch was changed") });
    const errand = { path: batch.endpoint, body: request.body, owner, signal: this.#halt.signal };
    const answer = await attempt(errand, { dispatch, ...(wait && { wait }) });
    if (!answer) return;
    const id = newRowId();
    const response = { status_code: answer.status, request_id: answer.requestId || id, body: answer.body };
    await results.append({ line: line.number, ok: answer.status === 200, row: { id, custom_id: request.customId, response, error: null } });
  }

  /** What may have happened meanwhile: its time ran out, another process was asked to cancel it. */
  async #lookUp(): Promise<void> {
    const { records, now } = this.#options;
    const { id, expiresAt } = this.#record.batch;
    const cancelledAt = await records.cancelledAt(id);
    if (cancelledAt !== undefined) await this.cancel(cancelledAt);
    else if (now() >= expiresAt) this.#end("expired");
  }

  #end(ending: Ending): void {
    if (this.#ending) return;
    this.#ending = ending;
    this.#halt.abort();
  }

  async #finish(results: Results, ending: Ending): Promise<void> {
    const { now } = this.#options;
    const status = ending === "cancelled" ? {} : { status: "finalizing" as const };
    this.#record = { ...this.#record, ending };
    await this.#set({ ...status, finalizingAt: now() });
    const outputs = await this.#outputs(results, ending);
    await this.#set({ ...outputs, status: ending, [`${ending}At`]: now() });
  }

  /** Changes follow each other in the file as they do here. */
  async #set(change: Partial<Batch>): Promise<void> {
    this.#record = { ...this.#record, batch: { ...this.#record.batch, ...change } };
    const record = this.#record;
    this.#written = this.#written.catch(() => undefined).then(() => this.#options.records.write(record));
    await this.#written;
  }
  #written: Promise<void> = Promise.resolve();

  #path(name: string): string {
    return this.#options.records.work(this.#record.batch.id, name);
  }
}
