/**
 * Whether the files of a model contain what they should: before each load (by the policy of `--verify`) and for `shimmy verify`. Made by
 * assemble.ts when a first model loads, and by the command. It writes nothing but the digest cache. The structure of a file is checked
 * before, by `model-file.ts`.
 *
 *   off      structure only; a file that is known to be wrong is loaded with a warning
 *   warn     what is known counts: a file that is known to be wrong is refused, one that nobody has read yet is loaded and told of
 *   require  every file is read once before its first load, and refused unless it has a digest and agrees with it
 */
import { resolve } from "node:path";
import { ShimmyError } from "../../contract/errors.ts";
import type { ModelInfo } from "../../contract/model.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { ModelDescription } from "../describe.ts";
import { filesOf } from "../model-file.ts";
import { DigestCache } from "./digest-cache.ts";
import { type HashOptions, hashFile } from "./hash.ts";
import { LOCK_NAME, type LockFile, readLock } from "./lock-file.ts";
import { writableByAll } from "./permissions.ts";
import { type ExpectedDigest, expectedDigests } from "./sources.ts";

export type Policy = "off" | "warn" | "require";

/** `unread`: it has a digest, but nobody has compared it yet. `unknown`: nothing says what it should contain. */
export type Verdict = "match" | "mismatch" | "unread" | "unknown";

export interface FileReport {
  readonly path: string;
  readonly expected: readonly ExpectedDigest[];
  /** Absent: it was not read. */
  readonly actual?: string;
  readonly verdict: Verdict;
}

export interface IntegrityOptions {
  readonly policy: Policy;
  /** Need not exist. Absent: shimmy.lock in the current folder. */
  readonly lockPath?: string;
  readonly log: Logger;
  /** Absent: the user's. */
  readonly cacheFolder?: string;
}

export interface CheckOptions extends HashOptions {
  /** `known`: only what the cache tells; `once`: read what it does not tell; `again`: read in any case. */
  readonly read: "known" | "once" | "again";
  /** Read also what nothing is said of. */
  readonly readsUnknown?: boolean;
}

export class Integrity {
  readonly lockPath: string;
  readonly #cache: DigestCache;
  /** Told once each: what can be written by all, what was not read. */
  readonly #told = new Set<string>();

  constructor(private readonly options: IntegrityOptions) {
    this.lockPath = resolve(options.lockPath ?? LOCK_NAME);
    this.#cache = new DigestCache(options.cacheFolder);
  }

  /**
   * @param listed as the server knew the model. @param now as its header says it is.
   * @throws model_not_verified: the files must not be loaded. Its text names no path.
   */
  async beforeLoad(listed: ModelInfo, now: ModelDescription, options: HashOptions = {}): Promise<void> {
    const { log, policy } = this.options;
    const model = listed.id;
    if (listed.sizeBytes !== now.sizeBytes || listed.modifiedMs !== now.modifiedMs)
      log.warn("the file of a model changed since it was listed, and was read again", { model });
    // npm has compared the package with its lock file.
    if (listed.source === "embedded") return;
    await this.#warnOfWriters(listed.path, model);
    const reports = await this.check(listed.path, { ...options, read: policy === "require" ? "once" : "known" }).catch((error) => {
      if (policy === "off") return [];
      throw refusal(model, error);
    });
    const reason = policy === "require" ? reasonAgainst(reports) : knownReason(reports);
    if (reason !== undefined && policy === "off") log.warn("a model that is not what it should be is loaded", { model, reason });
    else if (reason !== undefined) throw new ShimmyError("model_not_verified", { model, reason });
    if (policy === "warn" && reports.some(({ verdict }) => verdict === "unread"))
      this.#once(`unread ${listed.path}`, () => log.info("the content of a model was never compared with its digest", { model }));
  }

  /** Every file of the model whose first file this is. @throws lock_file; what reading throws. */
  async check(path: string, options: CheckOptions): Promise<FileReport[]> {
    const lock = await readLock(this.lockPath);
    const reports: FileReport[] = [];
    for (const file of filesOf(path)) reports.push(await this.#checkFile(file, lock, options));
    return reports;
  }

  async #checkFile(path: string, lock: LockFile, { read, readsUnknown, ...options }: CheckOptions): Promise<FileReport> {
    const expected = await expectedDigests(path, lock, this.lockPath);
    if (expected.length === 0 && !readsUnknown) return { path, expected, verdict: "unknown" };
    const known = read === "again" ? undefined : await this.#cache.get(path);
    const actual = known ?? (read === "known" ? undefined : await this.#hash(path, options));
    if (actual === undefined) return { path, expected, verdict: "unread" };
    if (expected.length === 0) return { path, expected, actual, verdict: "unknown" };
    return { path, expected, actual, verdict: expected.every(({ sha256 }) => sha256 === actual) ? "match" : "mismatch" };
  }

  async #hash(path: string, options: HashOptions): Promise<string> {
    const { sha256, identity } = await hashFile(path, options);
    if (!(await this.#cache.set(path, identity, sha256)))
      this.#once("cache", () => this.options.log.warn("digests of models cannot be kept: the cache folder cannot be written"));
    return sha256;
  }

  async #warnOfWriters(path: string, model: string): Promise<void> {
    const place = await writableByAll(path);
    if (place === undefined) return;
    this.#once(`writers ${place}`, () => this.options.log.warn("everybody on this machine can replace this model", { model, path: place }));
  }

  #once(key: string, tell: () => void): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
    tell();
  }
}

function knownReason(reports: readonly FileReport[]): string | undefined {
  const bad = reports.find(({ verdict }) => verdict === "mismatch");
  if (!bad) return undefined;
  const against = bad.expected.filter(({ sha256 }) => sha256 !== bad.actual).map(({ source }) => source);
  return `its content is not what ${against.join(" and ")} says: it is damaged or was replaced`;
}

function reasonAgainst(reports: readonly FileReport[]): string | undefined {
  const bad = knownReason(reports);
  if (bad !== undefined) return bad;
  if (reports.some(({ verdict }) => verdict === "unknown")) return "no digest of it is known, and --verify require asks for one";
  return undefined;
}

/** Callers hear the reason, so the path stays in the cause. */
function refusal(model: string, error: unknown): ShimmyError {
  if (error instanceof ShimmyError) return new ShimmyError("model_not_verified", { model, reason: error.message }, { cause: error });
  const { code } = error as NodeJS.ErrnoException;
  const reason = code === undefined && error instanceof Error ? error.message : `it cannot be read (${code})`;
  return new ShimmyError("model_not_verified", { model, reason }, { cause: error });
}
