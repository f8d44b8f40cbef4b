/**
 * The files of a batch that is over: answers, and errors with what was never asked. Called by run.ts, again from the start if the process
 * was killed meanwhile: ids are planned, so nothing is there twice.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BatchEndpoint } from "../contract/batches.ts";
import type { FileDraft, StoredFile } from "../contract/files.ts";
import { readLines } from "./lines.ts";
import type { BatchRecord, Ending } from "./records.ts";
import { isBlank, requestOf } from "./requests.ts";
import type { Results } from "./results.ts";
import { newRowId } from "./row.ts";

/** Where finished files go. */
export interface OutputStore {
  adopt(id: string, path: string, draft: FileDraft): Promise<StoredFile>;
}

export interface FinishOptions {
  readonly record: BatchRecord;
  readonly ending: Ending;
  readonly results: Results;
  readonly files: OutputStore;
  /** A file of the work folder. */
  readonly path: (name: string) => string;
  readonly maxLineBytes: number;
}

/** OpenAI's codes for lines that were never answered. */
const UNASKED = {
  expired: { code: "batch_expired", message: "This request could not be executed before the completion window expired." },
  cancelled: { code: "batch_cancelled", message: "The batch was cancelled before this request was executed." },
} as const;

/** @returns the ids of files that have something in them. */
export async function writeOutputs(options: FinishOptions): Promise<{ outputFileId?: string; errorFileId?: string }> {
  const { record, results, path, files } = options;
  const output = await Target.open(path("output.jsonl"));
  const errors = await Target.open(path("error.jsonl"));
  try {
    for await (const { ok, row } of results.all()) await (ok ? output : errors).write(row);
    if (options.ending !== "completed") for await (const row of unasked(options, options.ending)) await errors.write(row);
  } finally {
    await output.close();
    await errors.close();
  }
  const { id } = record.batch;
  const draft = { purpose: "batch_output", owner: record.owner.caller, expiresAfterMs: record.outputExpiresAfterMs };
  if (output.lines > 0) await files.adopt(record.planned.output, output.path, { ...draft, filename: `${id}_output.jsonl` });
  if (errors.lines > 0) await files.adopt(record.planned.error, errors.path, { ...draft, filename: `${id}_error.jsonl` });
  return {
    ...(output.lines > 0 && { outputFileId: record.planned.output }),
    ...(errors.lines > 0 && { errorFileId: record.planned.error }),
  };
}

async function* unasked({ record, results, path, maxLineBytes }: FinishOptions, ending: keyof typeof UNASKED) {
  const { endpoint } = record.batch;
  for await (const line of readLines(createReadStream(path("input.jsonl")), maxLineBytes)) {
    if (isBlank(line) || results.has(line.number)) continue;
    yield { id: newRowId(), custom_id: customIdOf(line, endpoint), response: null, error: UNASKED[ending] };
  }
}

/** A batch that was cancelled while it was checked may have lines without one. */
function customIdOf(line: Parameters<typeof requestOf>[0], endpoint: BatchEndpoint): string {
  const request = requestOf(line, endpoint);
  return "code" in request ? "" : request.customId;
}

/** Some pages at once, so that fifty thousand short lines are not as many calls. */
const PAGE_BYTES = 64 * 1024;

class Target {
  readonly path: string;
  readonly #file: FileHandle;
  #pending = "";
  lines = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Empties what an interrupted attempt has left. */
  static async open(path: string): Promise<Target> {
    return new Target(path, await open(path, "w", 0o600));
  }

  async write(row: unknown): Promise<void> {
    this.lines++;
    this.#pending += `${JSON.stringify(row)}\n`;
    if (this.#pending.length >= PAGE_BYTES) await this.#flush();
  }

  async close(): Promise<void> {
    try {
      await this.#flush();
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  async #flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = "";
    if (text !== "") await this.#file.appendFile(text);
  }
}
