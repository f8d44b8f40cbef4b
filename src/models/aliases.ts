/**
 * Where aliases are kept: the settings, and one small file of Shimmy's own in the user's data folder that `shimmy cp` writes. Asked by
 * the pool at each request, so a running server knows a new alias at once. It reads nothing before it is first asked.
 * The file is not trusted: what is no alias in it is passed over.
 */
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { userDataFolder } from "../config/data-folder.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type AliasTable, aliasTable, reasonNotAnAlias } from "./alias-table.ts";
import { writeWhole } from "./write-whole.ts";

/** A file of a thousand aliases has a twentieth of this. */
const MAX_FILE_BYTES = 1024 * 1024;

/** A change takes a millisecond; a lock of another machine that ended in one is taken over. */
const LOCK = { onWait: () => undefined, lookEveryMs: 5, staleAfterMs: 5000 };

export function aliasFile(folder: string = userDataFolder()): string {
  return join(folder, "aliases.json");
}

export interface AliasesOptions {
  readonly configured: Readonly<Record<string, string>>;
  /** Absent: there are no saved ones. */
  readonly file?: string;
  /** Told once for each state of the file that cannot be read. */
  readonly onProblem?: (path: string, reason: string) => void;
}

/** The aliases of now. */
export class Aliases {
  readonly #options: AliasesOptions;
  #identity: string | undefined;
  #table: AliasTable;

  constructor(options: AliasesOptions) {
    this.#options = options;
    this.#table = aliasTable(options.configured);
  }

  /** Costs one `stat` while the file is as it was. */
  async current(): Promise<AliasTable> {
    const { configured, file, onProblem } = this.#options;
    if (file === undefined) return this.#table;
    const identity = await identityOf(file);
    if (identity === this.#identity) return this.#table;
    const { aliases, problem } = await readAliases(file);
    if (problem) onProblem?.(file, problem);
    this.#table = aliasTable(configured, aliases);
    this.#identity = identity;
    return this.#table;
  }
}

/**
 * Writes `name` for `target` into the file; an older one of that name is replaced.
 * @returns what the name stood for before.
 * @throws invalid_alias
 */
export async function saveAlias(name: string, target: string, file: string = aliasFile()): Promise<string | undefined> {
  const reason = reasonNotAnAlias(name);
  if (reason !== undefined) throw new ShimmyError("invalid_alias", { alias: name.slice(0, 128), reason });
  return change(file, (aliases) => {
    const key = sameName(aliases, name) ?? name;
    const before = aliases.get(key);
    aliases.delete(key);
    aliases.set(name, target);
    return before;
  });
}

/** @returns what the name stood for; undefined if no saved alias has that name, then nothing is written. */
export async function removeAlias(name: string, file: string = aliasFile()): Promise<string | undefined> {
  const { aliases } = await readAliases(file);
  if (sameName(new Map(Object.entries(aliases)), name) === undefined) return undefined;
  return change(file, (entries) => {
    const key = sameName(entries, name);
    const before = key === undefined ? undefined : entries.get(key);
    if (key !== undefined) entries.delete(key);
    return before;
  });
}

function sameName(aliases: ReadonlyMap<string, string>, name: string): string | undefined {
  return [...aliases.keys()].find((key) => key.toLowerCase() === name.trim().toLowerCase());
}

/** Never throws: a file that cannot be used is empty, and why is said. */
async function readAliases(file: string): Promise<{ aliases: Record<string, string>; problem?: string }> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return { aliases: {}, problem: `it is larger than ${MAX_FILE_BYTES} bytes` };
    text = await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "it cannot be read";
    return code === "ENOENT" || code === "ENOTDIR" ? { aliases: {} } : { aliases: {}, problem: code };
  }
  try {
    return { aliases: entriesOf(JSON.parse(text)) };
  } catch {
    return { aliases: {}, problem: "it is not the JSON that Shimmy writes" };
  }
}

/** @throws when it is of another shape altogether. */
function entriesOf(root: unknown): Record<string, string> {
  const aliases = (root as { aliases?: unknown } | null)?.aliases;
  if (typeof aliases !== "object" || aliases === null || Array.isArray(aliases)) throw new TypeError("no aliases");
  const usable = Object.entries(aliases).filter(
    ([name, target]) => reasonNotAnAlias(name) === undefined && typeof target === "string" && target.trim() !== "",
  );
  return Object.fromEntries(usable) as Record<string, string>;
}

/**
 * Reads, changes, writes, one process at a time, so that no alias of another `shimmy cp` is lost; readers see the old file or the new one,
 * never a part. A file that was unusable is kept beside it.
 */
async function change<T>(file: string, edit: (aliases: Map<string, string>) => T): Promise<T> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const { acquire } = await import("./process-lock.ts"); // a server only reads
  const lock = await acquire(`${file}.lock`, { ...LOCK, signal: new AbortController().signal });
  try {
    return await changeAlone(file, edit);
  } finally {
    await lock.release();
  }
}

async function changeAlone<T>(file: string, edit: (aliases: Map<string, string>) => T): Promise<T> {
  const { aliases, problem } = await readAliases(file);
  const entries = new Map(Object.entries(aliases));
  const result = edit(entries);
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  if (problem) await rename(file, `${file}.unusable`);
  await writeWhole(file, `${JSON.stringify({ version: 1, aliases: Object.fromEntries(sorted) }, null, 2)}\n`);
  return result;
}

async function identityOf(file: string): Promise<string> {
  return stat(file).then(
    ({ size, mtimeMs, ino }) => `${size}:${mtimeMs}:${ino}`,
    (error: NodeJS.ErrnoException) => `none ${error.code}`,
  );
}
