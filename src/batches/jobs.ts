/**
 * Files and batches as the door sees them, loaded with their first use. Made by assemble.ts at each start, so it must stay tiny: it
 * reads nothing until it is asked.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/table.ts";
import type { Batches, Dispatch, Jobs } from "../contract/batches.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { FileStore } from "../files/store.ts";
import type { Logger } from "../telemetry/log.ts";
import type { BatchWorker } from "./worker.ts";

export interface JobsOptions {
  readonly config: Pick<
    Config,
    "files" | "maxFileSize" | "maxFilesSize" | "fileExpiry" | "apiKey" | "strictKeys" | "batchParallel" | "maxBodySize"
  >;
  /** Shimmy's data folder. */
  readonly folder: string;
  readonly log: Logger;
  /** Asked for with the first batch. */
  readonly dispatch: () => Promise<Dispatch>;
  /** How many requests the loaded models work on at once; 1 if none is loaded. */
  readonly slots: () => Promise<number>;
}

const DAY_MS = 24 * 3_600_000;
/** What stands around the body in a line of an input file. */
const LINE_BYTES = 64 * 1024;

export class LazyJobs implements Jobs {
  readonly #options: JobsOptions;
  #files: Promise<FileStore> | undefined;
  #worker: Promise<BatchWorker> | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  files(): Promise<FileStore> {
    if (!this.#options.config.files) return Promise.reject(new ShimmyError("files_off"));
    this.#files ??= this.#openFiles();
    return this.#files;
  }

  async batches(): Promise<Batches> {
    if (!this.#options.config.files) throw new ShimmyError("files_off");
    this.#worker ??= this.#openWorker();
    return this.#worker;
  }

  async resume(): Promise<void> {
    if (!this.#options.config.files) return;
    // As `workFolder` of records.ts has it, which is not loaded yet.
    const unfinished = await readdir(join(this.#batchFolder, "work")).catch(() => []);
    if (unfinished.length > 0) await this.batches();
  }

  async close(): Promise<void> {
    await (await this.#worker)?.close();
  }

  async #openFiles(): Promise<FileStore> {
    const { config, folder } = this.#options;
    const { FileStore } = await import("../files/store.ts");
    const { maxFileSize, maxFilesSize, fileExpiry, apiKey, strictKeys } = config;
    const owners = Math.max(1, new Set([...apiKey, ...strictKeys]).size);
    const limits = { maxFileBytes: maxFileSize, maxTotalBytes: maxFilesSize, owners, expiryMs: fileExpiry * DAY_MS };
    return new FileStore({ folder: join(folder, "files"), ...limits });
  }

  async #openWorker(): Promise<BatchWorker> {
    const { config, log, dispatch, slots } = this.#options;
    const { BatchWorker } = await import("./worker.ts");
    const worker = new BatchWorker({
      folder: this.#batchFolder,
      files: await this.files(),
      dispatch: await dispatch(),
      // Half of the slots: whoever comes for an answer now finds one free.
      parallel: async () => config.batchParallel || Math.floor((await slots()) / 2),
      maxLineBytes: config.maxBodySize + LINE_BYTES,
      expiryMs: config.fileExpiry * DAY_MS,
      log,
    });
    await worker.resume();
    return worker;
  }

  get #batchFolder(): string {
    return join(this.#options.folder, "batches");
  }
}
