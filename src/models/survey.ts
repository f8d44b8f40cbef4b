/**
 * Which files there are, told apart by real path and by what their store adds; no header is read. Called by `scan.ts`, and by the catalogue
 * to count.
 */
import { access, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { ModelDefaults } from "../contract/model.ts";
import { EMBEDDED, type Found, type FoundFile, GIVEN_FILE, NOTHING, type Place } from "./stores/store.ts";

export { placesOf } from "./stores/index.ts";
export { EMBEDDED, GIVEN_FILE } from "./stores/store.ts";

/** One entry of the list to be: a file, and what its store says of it. */
export interface Candidate extends FoundFile {
  /** The path and the store's name: the same from look to look, different for two models of one file. */
  readonly key: string;
  readonly real: string;
  readonly source: string;
  /** Names from other places where the same file lies. */
  readonly otherNames: readonly string[];
}

export interface Survey {
  readonly candidates: readonly Candidate[];
  readonly places: ReadonlyArray<{ readonly place: Place; readonly found: Found; readonly keys: readonly string[] }>;
}

/** Which files there are, by their names and small files beside them alone. */
export async function survey(places: readonly Place[]): Promise<Survey> {
  const found = await Promise.all(places.map(async (place) => ({ place, found: await findIn(place) })));
  const located = await Promise.all(
    found.map(async ({ place, found }) => ({
      place,
      found,
      reals: await Promise.all(found.files.map(({ path, real }) => real ?? realpathOrSelf(path))),
    })),
  );
  const embedded = located.find(({ place }) => place.label === EMBEDDED)?.reals[0];
  const byReal = new Map<string, Candidate[]>();
  const result = located.map(({ place, found, reals }) => {
    const mine = found.files.map((file, index) => {
      const real = reals[index]!;
      const source = real === embedded ? EMBEDDED : place.label;
      return place.label !== EMBEDDED && real === embedded ? undefined : add(byReal, { ...file, path: resolve(file.path) }, real, source);
    });
    return { place, found, keys: [...new Set(mine.filter((key) => key !== undefined))] };
  });
  return { candidates: [...byReal.values()].flat(), places: result };
}

/** Most places of most people are not there: one question for each of those. */
async function findIn(place: Place): Promise<Found> {
  const there = await access(place.path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
  return there || place.label === GIVEN_FILE ? place.find() : NOTHING;
}

/** @returns the key of the entry that this file is or became a part of. */
function add(byReal: Map<string, Candidate[]>, file: FoundFile, real: string, source: string): string {
  const same = byReal.get(real) ?? [];
  const index = same.findIndex((candidate) => behaveAlike(candidate.defaults, file.defaults));
  const known = same[index];
  if (known) {
    const names = [...(file.name === undefined ? [] : [file.name]), ...(file.aliases ?? [])];
    const repository = known.repository ?? file.repository;
    const defaults = known.defaults ?? file.defaults;
    same[index] = {
      ...known,
      ...(repository !== undefined && { repository }),
      ...(defaults && { defaults }),
      otherNames: [...known.otherNames, ...names],
    };
    return known.key;
  }
  const key = file.name === undefined ? file.path : `${file.path}\n${file.name}`;
  byReal.set(real, [...same, { ...file, key, real, source, otherNames: [] }]);
  return key;
}

/**
 * Whether two names of one file are one model. A plain file has no opinion on parameters, but a system message or an adapter makes
 * another model of it. Templates do not count: Ollama's cannot be run here.
 */
function behaveAlike(a: ModelDefaults | undefined, b: ModelDefaults | undefined): boolean {
  if (!a || !b) return (a ?? b)?.system === undefined && (a ?? b)?.adapters === undefined;
  const behaviour = ({ system, adapters, parameters }: ModelDefaults) => JSON.stringify([system, adapters, parameters]);
  return behaviour(a) === behaviour(b);
}

/** A path that leads nowhere stands for itself, so that it is examined and told of. */
async function realpathOrSelf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
