/**
 * Finds model files in a folder tree. Called by the stores. Follows links without loops, leaves hidden folders out, and stops at a
 * depth and a count, so that a mistaken `/` ends too. It must not know what is in the files.
 */
import { opendir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { shardNameOf } from "./shards.ts";
import type { Found, FoundFile, Skipped } from "./stores/store.ts";

/** Enough for host/owner/repository/quantisation below a models folder. */
const MAX_DEPTH = 4;
/** Entries of one tree. */
const MAX_ENTRIES = 50_000;

interface State {
  readonly files: FoundFile[];
  readonly skipped: Skipped[];
  /** Real paths of the folders that were read. */
  readonly visited: Set<string>;
  readonly maxEntries: number;
  entries: number;
  exists: boolean;
  /** Folders below the last level, not read. */
  tooDeep: number;
}

/** Files sorted by folder, then name; of a split model the first part only. A folder that does not exist has no files. */
export async function findModelFiles(root: string, { maxEntries = MAX_ENTRIES } = {}): Promise<Found> {
  const state: State = { files: [], skipped: [], visited: new Set(), maxEntries, entries: 0, exists: true, tooDeep: 0 };
  await visit(root, 0, state);
  if (state.tooDeep > 0)
    state.skipped.push({ path: root, reason: `folders more than ${MAX_DEPTH} levels down are not searched (${state.tooDeep})` });
  const { files, skipped, visited, exists } = state;
  return { exists, files, skipped, folders: [...visited] };
}

async function visit(folder: string, depth: number, state: State): Promise<void> {
  const { real, names } = await namesIn(folder, depth, state);
  const present = new Set(names.map(({ name }) => name));
  const folders: string[] = [];
  for (const { name, kind } of names.sort((a, b) => compare(a.name, b.name))) {
    const path = join(folder, name);
    const actual = kind === "link" ? await kindOfTarget(path) : kind;
    if (actual === "folder") folders.push(path);
    else if (!isModelFileName(name) || isLaterPart(name, present)) continue;
    else if (actual === "file") state.files.push(kind === "link" ? { path } : { path, real: join(real, name) });
    else state.skipped.push({ path, reason: actual === "gone" ? "a link to nothing" : "not a regular file" });
  }
  if (depth === MAX_DEPTH) state.tooDeep += folders.length;
  else for (const path of folders) await visit(path, depth + 1, state);
}

/** A part of a split model whose first part is there: that one stands for all. */
function isLaterPart(name: string, present: ReadonlySet<string>): boolean {
  const shard = shardNameOf(name);
  return shard !== undefined && shard.index > 1 && present.has(name.replace(/-\d{5}-of-/, "-00001-of-"));
}

type Kind = "file" | "folder" | "link" | "other";

interface Names {
  /** The real path of the folder. */
  readonly real: string;
  readonly names: Array<{ readonly name: string; readonly kind: Kind }>;
}

async function namesIn(folder: string, depth: number, state: State): Promise<Names> {
  const names: Names["names"] = [];
  let real = folder;
  try {
    real = await realpath(folder);
    if (state.visited.has(real)) return { real, names };
    state.visited.add(real);
    for await (const entry of await opendir(folder)) {
      if (++state.entries > state.maxEntries) {
        if (state.entries === state.maxEntries + 1)
          state.skipped.push({ path: folder, reason: `more than ${state.maxEntries} entries: the rest is not searched` });
        break;
      }
      if (entry.name.startsWith(".")) continue;
      const kind = entry.isDirectory() ? "folder" : entry.isFile() ? "file" : entry.isSymbolicLink() ? "link" : "other";
      if (kind === "folder" || kind === "link" || isModelFileName(entry.name)) names.push({ name: entry.name, kind });
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === "ENOENT" && depth === 0) state.exists = false;
    else if (code !== "ENOENT") state.skipped.push({ path: folder, reason: `the folder cannot be read (${code})` });
  }
  return { real, names };
}

async function kindOfTarget(path: string): Promise<Kind | "gone"> {
  try {
    const target = await stat(path);
    return target.isDirectory() ? "folder" : target.isFile() ? "file" : "other";
  } catch {
    return "gone";
  }
}

function isModelFileName(name: string): boolean {
  return /\.gguf$/i.test(name);
}

/** By code units: the same on every machine, whatever its language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
