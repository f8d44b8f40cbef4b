/**
 * Where aliases are kept: the settings, and one small file of Shimmy's own in the user's data folder that `shimmy cp` writes. Asked by
 * the pool at each request, so a running server knows a new alias at once. It reads nothing before it is first asked.
 * The file is not trusted: what is no alias in it is passed over.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { userDataFolder } from "../config/data-folder.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type AliasTable, aliasTable, reasonNotAnAlias } from "./alias-table.ts";
import { type StateFile, stateFile } from "./state-file.ts";

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
    const state = await kept(file, (reason) => onProblem?.(file, reason)).read();
    this.#table = aliasTable(configured, Object.fromEntries(entriesOf(state)));
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
  if (sameName(entriesOf(await kept(file).read()), name) === undefined) return undefined;
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

/** @param onProblem told of a file that cannot be used */
function kept(file: string, onProblem: (reason: string) => void = () => undefined): StateFile {
  return stateFile(file, (state) => tableIn(state) !== undefined, onProblem);
}

function tableIn(state: unknown): object | undefined {
  const aliases = (state as { aliases?: unknown } | null | undefined)?.aliases;
  return typeof aliases === "object" && aliases !== null && !Array.isArray(aliases) ? aliases : undefined;
}

function entriesOf(state: unknown): Map<string, string> {
  const usable = ([name, target]: [string, unknown]): [string, string][] =>
    reasonNotAnAlias(name) === undefined && typeof target === "string" && target.trim() !== "" ? [[name, target]] : [];
  return new Map(Object.entries(tableIn(state) ?? {}).flatMap(usable));
}

/** So that no alias of another `shimmy cp` is lost. @returns what `edit` does */
async function change<T>(file: string, edit: (aliases: Map<string, string>) => T): Promise<T> {
  let result: { readonly of: T } | undefined;
  await kept(file).change((state) => {
    const aliases = entriesOf(state);
    result = { of: edit(aliases) };
    return { version: 1, aliases: Object.fromEntries([...aliases].sort(([a], [b]) => (a < b ? -1 : 1))) };
  });
  return result!.of;
}

async function identityOf(file: string): Promise<string> {
  return stat(file).then(
    ({ size, mtimeMs, ino }) => `${size}:${mtimeMs}:${ino}`,
    (error: NodeJS.ErrnoException) => `none ${error.code}`,
  );
}
