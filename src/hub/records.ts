/**
 * What was pulled, kept beside it: `FILE.gguf.pull.json` for each model, named after its first file. Called by pull.ts and `shimmy rm`,
 * which removes nothing that no record names. A record is read like anything from outside: it may not name a path.
 */
import type { Dirent } from "node:fs";
import { open, readdir, readFile, realpath, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { ShimmyError } from "../contract/errors.ts";
import { isPlainName } from "./names.ts";

export interface PulledFile {
  /** In the folder of the record. */
  readonly name: string;
  /** In the repository. */
  readonly path: string;
  readonly size: number;
  /** Of the content; a small file that lies in git itself has `gitOid` instead. */
  readonly sha256?: string;
  readonly gitOid?: string;
}

export interface PullRecord {
  readonly version: 1;
  readonly endpoint: string;
  readonly repo: string;
  /** As it was asked for, and the commit that it was then. */
  readonly revision: string;
  readonly commit: string;
  readonly quantization: string;
  readonly pulledAt: string;
  /** The first stands for all. */
  readonly files: readonly [PulledFile, ...PulledFile[]];
}

export interface Pulled {
  readonly record: PullRecord;
  readonly recordPath: string;
  readonly folder: string;
  /** Absolute; what the catalogue lists. */
  readonly firstFile: string;
}

const SUFFIX = ".pull.json";
/** ROOT/owner/repo/folder */
const MAX_DEPTH = 3;
const MAX_RECORDS = 10_000;

export function recordPath(folder: string, firstName: string): string {
  return join(folder, `${firstName}${SUFFIX}`);
}

/** In one step, and on the disk when it resolves. */
export async function writeRecord(path: string, record: PullRecord): Promise<void> {
  const handle = await open(`${path}.new`, "w");
  try {
    await handle.writeFile(`${JSON.stringify(record, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
}

/** Undefined: there is none, or none of ours. */
export async function readRecord(path: string): Promise<PullRecord | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as PullRecord;
    return isSound(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** All records of the pull folder. Links to folders are not followed: what lies behind them is not ours. */
export async function findPulled(root: string): Promise<Pulled[]> {
  const found: Pulled[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (found.length >= MAX_RECORDS || entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < MAX_DEPTH) await visit(path, depth + 1);
      if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue;
      const record = await readRecord(path);
      if (record) found.push({ record, recordPath: path, folder, firstFile: join(folder, record.files[0].name) });
    }
  };
  await visit(resolve(root), 0);
  return found;
}

/**
 * Deletes the files of a record, the record, and folders that are empty then, never the pull folder itself.
 * @returns the bytes that the files had.
 * @throws not_pulled when the record does not lie in the pull folder.
 */
export async function removePulled(root: string, { record, recordPath: path }: Pulled): Promise<number> {
  const realRoot = await realpath(root);
  const folder = await realpath(dirname(path));
  const below = relative(realRoot, folder);
  if (below === "" || below === ".." || below.startsWith(`..${sep}`) || resolve(realRoot, below) !== folder)
    throw new ShimmyError("not_pulled", { model: record.repo });
  for (const { name } of record.files) await rm(join(folder, name), { force: true });
  await rm(path, { force: true });
  await removeEmpty(folder, realRoot);
  return record.files.reduce((sum, { size }) => sum + size, 0);
}

async function removeEmpty(folder: string, root: string): Promise<void> {
  for (let current = folder; current !== root && current.startsWith(root + sep); current = dirname(current)) {
    const removed = await rmdir(current).then(
      () => true,
      () => false, // something else lies in it
    );
    if (!removed) return;
  }
}

function isSound({ version, repo, commit, revision, quantization, files }: PullRecord): boolean {
  return (
    version === 1 &&
    [repo, commit, revision, quantization].every((text) => typeof text === "string") &&
    Array.isArray(files) &&
    files.length > 0 &&
    files.every(({ name, path, size }) => {
      return (
        typeof name === "string" && isPlainName(name) && /\.gguf$/i.test(name) && typeof path === "string" && Number.isSafeInteger(size)
      );
    })
  );
}
