/**
 * Finds model files in a folder tree. Called by the catalogue. Follows links without loops, leaves hidden folders out, and stops at a
 * depth and a count, so that a mistaken `/` ends too.
 */
import { opendir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

const MAX_DEPTH = 4;
/** Entries of one tree. */
const MAX_ENTRIES = 50_000;

export interface Walk {
  /** Sorted by folder, then name. */
  readonly files: string[];
  readonly unread: Array<{ readonly path: string; readonly reason: string }>;
}

/** A folder that does not exist has no files: `./models` need not be there. */
export async function findModelFiles(root: string): Promise<Walk> {
  const walk: Walk = { files: [], unread: [] };
  const visited = new Set<string>();
  const state = { entries: 0 };
  await visit(root, 0, walk, visited, state);
  return walk;
}

async function visit(folder: string, depth: number, walk: Walk, visited: Set<string>, state: { entries: number }): Promise<void> {
  const names = await namesIn(folder, walk, visited, state);
  const folders: string[] = [];
  for (const { name, kind } of names.sort((a, b) => compare(a.name, b.name))) {
    const path = join(folder, name);
    const actual = kind === "link" ? await kindOfTarget(path) : kind;
    if (actual === "folder") folders.push(path);
    else if (isModelFileName(name) && actual === "file") walk.files.push(path);
    else if (isModelFileName(name)) walk.unread.push({ path, reason: actual === "gone" ? "a link to nothing" : "not a regular file" });
  }
  if (depth === MAX_DEPTH) return;
  for (const path of folders) await visit(path, depth + 1, walk, visited, state);
}

type Kind = "file" | "folder" | "link" | "other";

async function namesIn(
  folder: string,
  walk: Walk,
  visited: Set<string>,
  state: { entries: number },
): Promise<Array<{ name: string; kind: Kind }>> {
  const names: Array<{ name: string; kind: Kind }> = [];
  try {
    const real = await realpath(folder);
    if (visited.has(real)) return [];
    visited.add(real);
    for await (const entry of await opendir(folder)) {
      if (++state.entries > MAX_ENTRIES) {
        if (state.entries === MAX_ENTRIES + 1)
          walk.unread.push({ path: folder, reason: `more than ${MAX_ENTRIES} entries: the rest is not searched` });
        break;
      }
      if (entry.name.startsWith(".")) continue;
      const kind = entry.isDirectory() ? "folder" : entry.isFile() ? "file" : entry.isSymbolicLink() ? "link" : "other";
      if (kind === "folder" || kind === "link" || isModelFileName(entry.name)) names.push({ name: entry.name, kind });
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code !== "ENOENT") walk.unread.push({ path: folder, reason: `the folder cannot be read (${code})` });
  }
  return names;
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
