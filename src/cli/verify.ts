/** `shimmy verify`: whether model files are whole and contain what they should. Reads every byte again, whatever the cache knows. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Assembly } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { brokenModels } from "../models/broken-file.ts";
import type { Catalogue } from "../models/catalogue.ts";
import { type FileReport, Integrity, type Verdict } from "../models/integrity/integrity.ts";
import { keyOf, readLock, writeLock } from "../models/integrity/lock-file.ts";
import { writableByAll } from "../models/integrity/permissions.ts";
import { readModelFile } from "../models/model-file.ts";
import { idOfFile, idsMeantBy } from "../models/names.ts";
import { resolveModel } from "../models/resolve.ts";
import { openHere } from "./open.ts";
import { printJson, printTable, warnOfWriters } from "./output.ts";

interface Flags {
  readonly write?: boolean;
  readonly json?: boolean;
}

/** A model, or a file that may have been one. */
interface Subject {
  readonly model: string;
  readonly path: string;
}

interface ModelReport extends Subject {
  /** "ok", or what is wrong with the header. */
  readonly structure: string;
  readonly files: readonly FileReport[];
  readonly verdict: Verdict | "broken";
  /** The file or folder that everybody on this machine may write. */
  readonly writableByAll?: string;
}

/** @param names absent: all models, and all files that look like one and are broken. */
export async function verify(loaded: LoadedConfig, names: readonly string[], flags: Flags): Promise<void> {
  const assembly = await openHere(loaded);
  const { catalogue, log } = assembly;
  const { lockFile } = loaded.config;
  const integrity = new Integrity({ policy: "warn", ...(lockFile !== undefined && { lockPath: lockFile }), log });
  const subjects = names.length > 0 ? await named(names, assembly) : await all(catalogue);
  if (subjects.length === 0)
    process.stderr.write("No models found. Put GGUF files into ./models, or name their folder with --model-dirs.\n");
  const reports: ModelReport[] = [];
  for (const subject of subjects) reports.push(await examine(subject, integrity, flags.write === true));
  if (flags.write) await lock(reports, integrity);
  if (flags.json) printJson(reports);
  else print(reports, integrity, flags);
  if (reports.some(({ verdict }) => verdict === "mismatch" || verdict === "broken")) process.exitCode = 1;
}

async function named(names: readonly string[], { catalogue, aliases: known }: Assembly): Promise<Subject[]> {
  const models = await catalogue.list();
  const aliases = await known.current();
  return names.map((name) => {
    try {
      const { id, path } = resolveModel(name, models, { strict: true, aliases }).info;
      return { model: id, path };
    } catch (error) {
      const meant = new Set(idsMeantBy(name));
      const refused = catalogue.skipped().find(({ path }) => meant.has(idOfFile(path)));
      if (!refused) throw error;
      return { model: name, path: refused.path };
    }
  });
}

/** Without the embedded model: npm holds what it should contain. */
async function all(catalogue: Catalogue): Promise<Subject[]> {
  const own = (await catalogue.list()).filter(({ source }) => source !== "embedded");
  const models = own.map(({ id, path }) => ({ model: id, path }));
  const broken = await brokenModels(catalogue.skipped());
  return [...models, ...broken.map(({ path }) => ({ model: basename(path), path }))];
}

async function examine(subject: Subject, integrity: Integrity, readsUnknown: boolean): Promise<ModelReport> {
  const writable = await writableByAll(subject.path);
  const common = { ...subject, ...(writable !== undefined && { writableByAll: writable }) };
  try {
    await readModelFile(subject.path);
  } catch (error) {
    const { code, details, message } = ShimmyError.from(error);
    const structure = code === "model_file_invalid" ? String(details.reason) : message;
    return { ...common, structure, files: [], verdict: "broken" };
  }
  const files = await integrity.check(subject.path, { read: "again", readsUnknown, ...progressOf(subject) });
  return { ...common, structure: "ok", files, verdict: worst(files) };
}

function worst(files: readonly FileReport[]): Verdict {
  const order: readonly Verdict[] = ["mismatch", "unread", "unknown"];
  return order.find((verdict) => files.some((file) => file.verdict === verdict)) ?? "match";
}

/** A line that is written over, for people who wait. */
function progressOf({ model }: Subject): { onProgress?: (done: number, total: number) => void } {
  if (!process.stderr.isTTY) return {};
  let shown = -1;
  return {
    onProgress: (done, total) => {
      const percent = Math.floor((100 * done) / Math.max(1, total));
      if (percent !== shown) process.stderr.write(`\r\x1b[K${done >= total ? "" : `${model}: ${percent} %`}`);
      shown = percent;
    },
  };
}

/** What others say a file should contain is never overruled; what the lock file said is. */
async function lock(reports: readonly ModelReport[], integrity: Integrity): Promise<void> {
  const lock = new Map(await readLock(integrity.lockPath));
  for (const { path, expected, actual } of reports.flatMap(({ files }) => files)) {
    const refused = expected.some(({ source, sha256 }) => source !== "shimmy.lock" && sha256 !== actual);
    if (actual === undefined || refused) continue;
    const key = keyOf(integrity.lockPath, path);
    const before = lock.get(key)?.sha256;
    if (before !== undefined && before !== actual) process.stderr.write(`changed since it was locked: ${key}\n`);
    lock.set(key, { sha256: actual, size: statSync(path).size });
  }
  await writeLock(integrity.lockPath, lock);
}

function print(reports: readonly ModelReport[], { lockPath }: Integrity, { write }: Flags): void {
  const rows = reports.flatMap(({ model, structure, files, verdict }) =>
    files.length === 0
      ? [[model, verdict, "", "", "", structure]]
      : files.map(({ path, expected, actual, verdict }) => [
          files.length > 1 ? `${model} (${basename(path)})` : model,
          verdict,
          expected.map(({ source }) => source).join(", ") || "-",
          [...new Set(expected.map(({ sha256 }) => short(sha256)))].join(", ") || "-",
          actual === undefined ? "-" : short(actual),
          structure,
        ]),
  );
  if (rows.length > 0) printTable([["MODEL", "VERDICT", "SOURCE", "EXPECTED", "ACTUAL", "STRUCTURE"], ...rows]);
  warnOfWriters(reports.map((report) => report.writableByAll));
  if (write) process.stderr.write(`wrote ${lockPath}\n`);
  else if (reports.some(({ verdict }) => verdict === "unknown"))
    process.stderr.write("Nothing says what the unknown ones should contain; `shimmy verify --write` remembers what they contain now.\n");
}

/** Enough to compare by eye; --json has it whole. */
function short(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}
