/**
 * What a batch has answered so far: a file that only grows, a line for each answered request. Called by run.ts. A process that is killed
 * leaves at most half a line, which is cut off when the file is opened again; its request is then done anew.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BatchUsage } from "../contract/batches.ts";
import { readLines } from "./lines.ts";
import type { Row } from "./row.ts";
import { addUsage, NO_USAGE } from "./usage.ts";

export interface Result {
  /** Of the input file. */
  readonly line: number;
  /** It belongs into the output file; else into the error file. */
  readonly ok: boolean;
  readonly row: Row;
}

export class Results {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #lines = new Set<number>();
  #failed = 0;
  #usage = NO_USAGE;
  /** Appends follow each other: two at once could mix their bytes. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<Results> {
    const results = new Results(path, await open(path, "a", 0o600));
    let end = 0;
    for await (const { result, end: at } of results.#read()) {
      results.#count(result);
      end = at;
    }
    await results.#file.truncate(end);
    return results;
  }

  get size(): number {
    return this.#lines.size;
  }

  get counts(): { readonly completed: number; readonly failed: number } {
    return { completed: this.size - this.#failed, failed: this.#failed };
  }

  get usage(): BatchUsage {
    return this.#usage;
  }

  has(line: number): boolean {
    return this.#lines.has(line);
  }

  /** Resolves when it is in the file. @throws what the file system throws */
  append(result: Result): Promise<void> {
    const written = this.#last.then(async () => {
      await this.#file.appendFile(`${JSON.stringify(result)}\n`);
      this.#count(result);
    });
    this.#last = written.catch(() => undefined); // told to whoever appended
    return written;
  }

  /** In the order in which they were answered. */
  async *all(): AsyncGenerator<Result, void, undefined> {
    for await (const { result } of this.#read()) yield result;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #count({ line, ok, row }: Result): void {
    this.#lines.add(line);
    if (!ok) this.#failed++;
    this.#usage = addUsage(this.#usage, row.response?.body);
  }

  /** Up to the first line that is not whole. */
  async *#read(): AsyncGenerator<{ result: Result; end: number }, void, undefined> {
    for await (const { text, ended, end } of readLines(createReadStream(this.#path), Number.POSITIVE_INFINITY)) {
      const result = ended && text !== undefined ? parsed(text) : undefined;
      if (!result) return;
      yield { result, end };
    }
  }
}

function parsed(text: string): Result | undefined {
  try {
    const result = JSON.parse(text) as Partial<Result> | null;
    const whole = Number.isSafeInteger(result?.line) && typeof result?.ok === "boolean" && typeof result.row === "object";
    return whole && result.row !== null ? (result as Result) : undefined;
  } catch {
    return undefined; // after a power failure there may be anything
  }
}
