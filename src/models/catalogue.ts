/**
 * Every model that can be had: the given files, then the folders, then the embedded one. Made by cli/ and the library; asked by the
 * pool and the server. Reads nothing until it is first asked, keeps one description for each file (by size and time), and looks at the
 * disk again at most once a second. It must not know what is loaded.
 *
 *   places ──walk──► paths ──realpath──► files, each once ──cache or readModelFile──► described or skipped ──assignIds──► list
 */
import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { ModelDescription } from "./describe.ts";
import { digestInName } from "./digest.ts";
import { filesOf, readModelFile } from "./model-file.ts";
import { assignIds } from "./names.ts";
import { findModelFiles } from "./walk.ts";

export interface CatalogueOptions {
  /** Searched recursively, in this order. One that does not exist is empty. */
  readonly dirs: readonly string[];
  /** Single files, preferred to those of the folders. `check` says which of them cannot be used. */
  readonly files: readonly string[];
  /** The path of Shimmy Tiny; absent: turned off. */
  readonly embedded?: string;
  /** Told once for each file (or folder) and reason. */
  readonly onSkip?: (path: string, reason: string) => void;
  /** How long a list is taken for true without looking at the disk, in milliseconds. */
  readonly maxAgeMs?: number;
}

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** A path where a file was found. */
interface Found {
  readonly path: string;
  readonly source: string;
}

interface Examined {
  /** Size and time of all its files: if it differs, the file is read again. */
  readonly identity: string;
  readonly result: ModelDescription | { readonly reason: string };
}

const DEFAULT_MAX_AGE_MS = 1000;
/** `source` of the single files; their paths are not for everybody. */
const GIVEN_FILE = "given file";
/** Files read at once. */
const READERS = 4;

export class Catalogue {
  #models: readonly ModelInfo[] = [];
  #skipped: readonly Skipped[] = [];
  #scannedAt = Number.NEGATIVE_INFINITY;
  #scanning: Promise<void> | undefined;
  /** By real path, only of files that the last scan saw. */
  #examined = new Map<string, Examined>();
  #ids = new Map<string, string>();
  #counted = { at: Number.NEGATIVE_INFINITY, files: 0 };
  readonly #maxAgeMs: number;

  constructor(private readonly options: CatalogueOptions) {
    this.#maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
  }

  /** In order of preference, the embedded model last. As the disk was at most `maxAgeMs` ago. */
  async list(): Promise<readonly ModelInfo[]> {
    if (performance.now() - this.#scannedAt > this.#maxAgeMs) await this.scan();
    return this.#models;
  }

  /**
   * How many models there are, without reading any as long as nobody has asked for the list: until then a file counts by its name
   * alone. For health checks, which an idle server answers for days.
   */
  async count(): Promise<number> {
    if (this.#scannedAt > Number.NEGATIVE_INFINITY || this.#scanning) return (await this.list()).length;
    if (performance.now() - this.#counted.at > this.#maxAgeMs)
      this.#counted = { at: performance.now(), files: (await this.#find([])).size };
    return this.#counted.files;
  }

  /** Looks at the disk now; calls at the same time share one look. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** What the last scan found and did not list, and why. */
  skipped(): readonly Skipped[] {
    return this.#skipped;
  }

  /** Why those of the explicitly given files that cannot be used cannot: for the caller to end or warn at start. */
  async check(): Promise<ShimmyError[]> {
    const results = await Promise.all(
      this.options.files.map((path) => readModelFile(resolve(path)).then(() => undefined, ShimmyError.from)),
    );
    return results.filter((error) => error !== undefined);
  }

  /**
   * Reads the header again just before a load, so that a file which was cut or replaced since it was listed never reaches libllama.
   * @returns what the file is now, under the same id.
   * @throws model_load_failed, whose text names no path.
   */
  async verify(info: ModelInfo): Promise<ModelInfo> {
    try {
      return { ...(await readModelFile(info.path)), id: info.id, source: info.source };
    } catch (error) {
      this.#scannedAt = Number.NEGATIVE_INFINITY;
      throw new ShimmyError("model_load_failed", { model: info.id, reason: reasonOf(error) }, { cause: error });
    }
  }

  async #scan(): Promise<void> {
    const skipped: Skipped[] = [];
    const files = await this.#find(skipped);
    const examined = await this.#examineAll(files);
    const described: Array<{ found: Found; description: ModelDescription }> = [];
    for (const [real, found] of files) {
      const result = examined.get(real)?.result;
      if (!result) continue;
      if ("reason" in result) skipped.push({ path: found.path, reason: result.reason });
      // Of a split model the name tells the digest of the first part only.
      else described.push({ found, description: { ...result, ...(filesOf(found.path).length === 1 && digestInName(real)) } });
    }
    this.#ids = assignIds(
      described.map(({ found }) => ({ path: found.path, embedded: found.source === "embedded" })),
      this.#ids,
    );
    this.#models = described.map(({ found: { path, source }, description }) => ({
      ...description,
      path,
      source,
      id: this.#ids.get(path)!,
    }));
    this.#examined = examined;
    this.#report(skipped);
    this.#scannedAt = performance.now();
  }

  /** Real path → where it was found first, in order of preference. The embedded file is itself even if it lies in a folder too. */
  async #find(skipped: Skipped[]): Promise<Map<string, Found>> {
    const { dirs, files, embedded } = this.options;
    const found: Found[] = files.map((path) => ({ path: resolve(path), source: GIVEN_FILE }));
    for (const dir of dirs) {
      const walk = await findModelFiles(resolve(dir));
      found.push(...walk.files.map((path) => ({ path, source: dir })));
      skipped.push(...walk.unread);
    }
    const own = embedded === undefined ? undefined : { path: resolve(embedded), source: "embedded" };
    const ownReal = own && (await realpathOrSelf(own.path));
    const result = new Map<string, Found>();
    for (const place of found) {
      const real = await realpathOrSelf(place.path);
      if (real !== ownReal && !result.has(real)) result.set(real, place);
    }
    if (own && ownReal) result.set(ownReal, own);
    return result;
  }

  async #examineAll(files: ReadonlyMap<string, Found>): Promise<Map<string, Examined>> {
    const examined = new Map<string, Examined>();
    const queue = files.entries();
    const reader = async (): Promise<void> => {
      // The readers share one iterator: each file goes to one of them.
      for (const [real, { path }] of queue) examined.set(real, await this.#examine(real, path));
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    return examined;
  }

  async #examine(real: string, path: string): Promise<Examined> {
    const identity = await identityOf(path);
    const known = this.#examined.get(real);
    if (known?.identity === identity) return known;
    try {
      return { identity, result: await readModelFile(path, { checksVocabulary: false }) };
    } catch (error) {
      // With a cause it is the disk or a permission that failed, not the content: that may pass, so it is tried again next time.
      const passing = error instanceof ShimmyError && error.cause !== undefined;
      return { identity: passing ? "" : identity, result: { reason: reasonOf(error) } };
    }
  }

  #report(skipped: readonly Skipped[]): void {
    const before = new Set(this.#skipped.map(({ path, reason }) => `${path}\n${reason}`));
    for (const { path, reason } of skipped) if (!before.has(`${path}\n${reason}`)) this.options.onSkip?.(path, reason);
    this.#skipped = skipped;
  }
}

/** Without the path, which the caller knows or must not know. Anything but a failure of the file is thrown again. */
function reasonOf(error: unknown): string {
  const { code, details } = ShimmyError.from(error);
  if (code === "model_file_missing") return "there is no such file";
  if (code === "model_file_invalid") return String(details.reason);
  throw error;
}

async function identityOf(path: string): Promise<string> {
  const parts = await Promise.all(
    filesOf(path).map((file) =>
      stat(file).then(
        ({ size, mtimeMs, ino }) => `${size}:${mtimeMs}:${ino}`,
        () => "missing",
      ),
    ),
  );
  return parts.join(" ");
}

/** A path that leads nowhere stands for itself, so that it is examined and told of. */
async function realpathOrSelf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
