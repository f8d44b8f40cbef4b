/**
 * Reads the headers of many files, each only when its size, time or inode has changed. Called by the catalogue, which owns one. Looks
 * into the file of `header-cache.ts` once, at its first use, and writes it when something new was read.
 */
import { ShimmyError } from "../contract/errors.ts";
import { fileIdentity } from "./file-identity.ts";
import { type Examined, readHeaderCache, writeHeaderCache } from "./header-cache.ts";
import { type Examination, examineFile } from "./model-file.ts";

/** Files read at once. */
const READERS = 8;

export interface ExaminerOptions {
  /** Absent: facts are kept in memory only. */
  readonly cacheFile?: string;
  /** Told when the cache cannot be written; everything works without it. */
  readonly onCacheError?: (error: unknown) => void;
}

export class Examiner {
  /** By real path, only of files that the last call saw. */
  #known: ReadonlyMap<string, Examined> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly options: ExaminerOptions = {}) {}

  /** @param files real path → the path to read it by: the name of a split model tells where its other parts are. */
  async examine(files: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Examination>> {
    const { cacheFile } = this.options;
    const known = this.#known ?? (cacheFile === undefined ? new Map() : await readHeaderCache(cacheFile));
    const examined = new Map<string, Examined>();
    let read = 0;
    const queue = files.entries();
    const reader = async (): Promise<void> => {
      // The readers share one iterator: each file goes to one of them.
      for (const [real, path] of queue) {
        const identity = await fileIdentity(path);
        const before = known.get(real);
        if (before?.identity !== identity) read++;
        examined.set(real, before?.identity === identity ? before : await examineOne(path, identity));
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    this.#known = examined;
    if (read > 0 && cacheFile !== undefined) this.#write(cacheFile, examined);
    return new Map([...examined].map(([real, { result }]) => [real, result]));
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #write(file: string, examined: ReadonlyMap<string, Examined>): void {
    this.#writing = this.#writing
      .then(() => writeHeaderCache(file, examined))
      .catch((error: unknown) => this.options.onCacheError?.(error));
  }
}

async function examineOne(path: string, identity: string): Promise<Examined> {
  try {
    return { identity, result: await examineFile(path) };
  } catch (error) {
    // The disk or a permission failed, not the content: that may pass, so it is tried again next time.
    return { identity: "", result: { kind: "none", reason: reasonOf(error) } };
  }
}

/** Without the path, which the caller knows or must not know. Anything but a failure of the file is thrown again. */
export function reasonOf(error: unknown): string {
  const { code, details } = ShimmyError.from(error);
  if (code === "model_file_missing") return "there is no such file";
  if (code === "model_file_invalid") return String(details.reason);
  throw error;
}
