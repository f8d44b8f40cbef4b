/** Names of the entries of the catalogue: what an id is made of, and which aliases lead to it. Called by `scan.ts`. Pure. */
import { basename, dirname } from "node:path";
import { idOfFile, type NamedFile } from "./names.ts";
import { EMBEDDED } from "./stores/store.ts";
import type { Candidate } from "./survey.ts";

/** A file name that says nothing without its repository: `model.gguf`, `ggml-model-q4_0.gguf`. */
const GENERIC = /^(?:ggml-)?model(?:[-_.](.+))?\.gguf$/i;

/** What the id of a candidate is made of. */
export function namedFile({ key, name, repository, source, path }: Candidate): NamedFile {
  const owner = repository
    ?.split("/")
    .at(-1)
    ?.replace(/[-_]gguf$/i, "");
  const said = name ?? basename(path);
  const generic = owner === undefined ? null : GENERIC.exec(said);
  const file = generic ? [owner, generic[1]].filter((part) => part !== undefined).join("-") : said;
  // A store's own name ("llama3:latest") is kept as it is, the name of a file is spelled as all ids of files.
  const id = name === undefined || /\.gguf$/i.test(name) ? idOfFile(file) : name;
  const group = owner ?? (name === undefined ? basename(dirname(path)) : source);
  return { path: key, embedded: source === EMBEDDED, name: id, group };
}

/** A candidate that is a model. */
export interface Entry {
  readonly candidate: Candidate;
  readonly quantization: string;
}

/** llama.cpp takes it where a repository is named without one. */
const PREFERRED = "Q4_K_M";

/**
 * Names of stores, "llama3" for "llama3:latest", "owner/repository:Q4_K_M", and the repository alone for its Q4_K_M or its first file.
 * @returns key of the candidate → its aliases; each alias leads to one model, and none is an id.
 */
export function aliasesOf(entries: readonly Entry[], ids: ReadonlyMap<string, string>): Map<string, readonly string[]> {
  const owners = new Map<string, string>();
  const taken = new Set([...ids.values()].map((id) => id.toLowerCase()));
  const give = (alias: string, key: string) => {
    if (taken.has(alias.toLowerCase())) return;
    taken.add(alias.toLowerCase());
    owners.set(alias, key);
  };
  for (const { candidate, quantization } of entries) {
    const { key, name, aliases = [], otherNames, repository } = candidate;
    const names = [name, ...aliases, ...otherNames].filter((each) => each !== undefined && !/\.gguf$/i.test(each)) as string[];
    for (const each of names) give(each, key);
    for (const each of names) if (each.endsWith(":latest")) give(each.slice(0, -":latest".length), key);
    if (repository !== undefined) give(`${repository}:${quantization}`, key);
  }
  const preferredFirst = [...entries].sort((a, b) => Number(b.quantization === PREFERRED) - Number(a.quantization === PREFERRED));
  for (const { candidate } of preferredFirst) if (candidate.repository !== undefined) give(candidate.repository, candidate.key);
  const result = new Map<string, string[]>(entries.map(({ candidate }) => [candidate.key, []]));
  for (const [alias, key] of owners) result.get(key)!.push(alias);
  return result;
}
