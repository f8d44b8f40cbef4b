/**
 * Aliases as a pure table: which name stands for which model. Called by `resolve.ts`, the pool and the commands. It must not know where
 * aliases are kept (`aliases.ts`).
 *
 * An alias names a model, or the default; it is followed once and never to another alias of this table, so there are no loops to find.
 */
import { DEFAULT_NAMES } from "./names.ts";

export interface Alias {
  /** As it was written; a pattern has one `*`. */
  readonly name: string;
  /** Name of a model in any spelling, or one of the names of the default. */
  readonly target: string;
  /** By a setting, or by `shimmy cp`. */
  readonly from: "configured" | "saved";
}

/** In the order in which they are tried. */
export type AliasTable = readonly Alias[];

export const NO_ALIASES: AliasTable = [];

/** Longer names are nobody's. */
const MAX_NAME = 128;

/** Why a text cannot be an alias, as the end of a sentence; undefined: it can. */
export function reasonNotAnAlias(name: string): string | undefined {
  if (name === "" || name !== name.trim()) return "it is empty, or has spaces at its ends";
  if (name.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  if (/[\p{C}\p{Z},=]/u.test(name)) return "spaces, commas, '=' and control characters are not allowed in it";
  if (name.split("*").length > 2) return "a pattern has one '*'";
  if (DEFAULT_NAMES.has(name.toLowerCase())) return "that name always means the default model; choose it with --default-model";
  return undefined;
}

/**
 * Whole names before patterns, patterns with more letters before those with fewer, what is configured before what was saved.
 * The result does not depend on the order of the entries.
 */
export function aliasTable(configured: Readonly<Record<string, string>>, saved: Readonly<Record<string, string>> = {}): AliasTable {
  const from = (entries: Readonly<Record<string, string>>, source: Alias["from"]): Alias[] =>
    Object.entries(entries)
      .filter(([name]) => reasonNotAnAlias(name) === undefined)
      .map(([name, target]) => ({ name, target, from: source }))
      .sort((a, b) => Number(isPattern(a.name)) - Number(isPattern(b.name)) || b.name.length - a.name.length || (a.name < b.name ? -1 : 1));
  const own = from(configured, "configured");
  const all = [...own, ...from(saved, "saved")];
  return [...all.filter(({ name }) => !isPattern(name)), ...all.filter(({ name }) => isPattern(name))];
}

export function isPattern(name: string): boolean {
  return name.includes("*");
}

/** The alias that a name meets. Case does not matter, nor the `:latest` that clients of Ollama add. */
export function aliasFor(name: string, aliases: AliasTable): Alias | undefined {
  const asked = name.trim().toLowerCase();
  if (asked.length > MAX_NAME * 4) return undefined;
  const spellings = new Set([asked, asked.replace(/:latest$/, "")]);
  return aliases.find((alias) => [...spellings].some((spelling) => meets(spelling, alias.name.toLowerCase())));
}

function meets(name: string, alias: string): boolean {
  const star = alias.indexOf("*");
  if (star < 0) return name === alias;
  const [start, end] = [alias.slice(0, star), alias.slice(star + 1)];
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end);
}
