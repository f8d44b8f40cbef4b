/**
 * One look at all places: which files are there, and what models and adapters they are. Called by the catalogue only, which loads it on
 * its first use. It keeps nothing between two looks.
 *
 *   places ──find──► files, told apart by real path and by what their store adds ──Examiner──► described ──assignIds──► models
 */
import type { AdapterInfo, ModelInfo } from "../contract/model.ts";
import { type FoundAdapter, pairAdapters } from "./adapter-pairing.ts";
import { digestInName } from "./digest.ts";
import { aliasesOf, namedFile } from "./entry-names.ts";
import type { Examiner } from "./examine.ts";
import type { Examination } from "./model-file.ts";
import { assignIds, wantedId } from "./names.ts";
import { filesOf } from "./shards.ts";
import type { Place, Skipped } from "./stores/store.ts";
import { type Candidate, type Survey, survey } from "./survey.ts";

/** A place and what lies there. */
export interface PlaceReport {
  /** For people, never a path. */
  readonly label: string;
  readonly path: string;
  readonly exists: boolean;
  /** Ids of the models found there, those too that another place had first. */
  readonly models: readonly string[];
  readonly adapters: readonly string[];
  readonly skipped: readonly Skipped[];
}

/** A model whose name another one has. */
export interface EqualName {
  readonly id: string;
  readonly wanted: string;
  readonly path: string;
}

export interface Scan {
  /** In order of preference, the embedded one last. */
  readonly models: readonly ModelInfo[];
  readonly adapters: readonly AdapterInfo[];
  readonly places: readonly PlaceReport[];
  readonly equalNames: readonly EqualName[];
  /** Key of a file (stable from scan to scan) → id. */
  readonly ids: ReadonlyMap<string, string>;
}

/** @param previous the ids of the last scan: who had a name keeps it. */
export async function scan(
  places: readonly Place[],
  examiner: Examiner,
  previous: ReadonlyMap<string, string>,
): Promise<Scan & { folders: string[] }> {
  const surveyed = await survey(places);
  const extra = adapterFiles(surveyed.candidates);
  const read = new Map<string, string>(surveyed.candidates.map(({ real, path }) => [real, path]));
  for (const path of extra.keys()) if (!read.has(path)) read.set(path, path);
  const examined = await examiner.examine(read);
  const described = surveyed.candidates.flatMap((candidate) => {
    const result = examined.get(candidate.real)!;
    return result.kind === "model" ? [{ candidate, result }] : [];
  });
  const named = described.map(({ candidate }) => namedFile(candidate));
  const ids = assignIds(named, previous);
  const equalNames = named.flatMap((file, index) => {
    const [id, wanted] = [ids.get(file.path)!, wantedId(file)];
    return id === wanted ? [] : [{ id, wanted, path: described[index]!.candidate.path }];
  });
  const aliases = aliasesOf(
    described.map(({ candidate, result }) => ({ candidate, quantization: result.description.quantization })),
    ids,
  );
  const models = described.map(({ candidate: { key, real, path, source, defaults }, result }) => {
    const others = aliases.get(key)!;
    return {
      ...result.description,
      // Of a split model the name tells the digest of the first part only.
      ...(filesOf(path).length === 1 && digestInName(real)),
      path,
      source,
      id: ids.get(key)!,
      ...(others.length > 0 && { aliases: others }),
      ...(defaults && { defaults }),
    };
  });
  const adapters = pairAdapters(
    adaptersIn(surveyed.candidates, examined, extra, ids),
    models.map((info, index) => ({ info, names: described[index]!.result.names })),
  );
  const reports = surveyed.places.map((place) => reportOf(place, surveyed.candidates, examined, ids, adapters));
  return {
    models,
    adapters,
    places: reports,
    equalNames,
    ids,
    folders: [...new Set(surveyed.places.flatMap(({ found }) => found.folders))],
  };
}

/** Real path of each adapter that a manifest names → the keys of its models. */
function adapterFiles(candidates: readonly Candidate[]): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const { key, defaults } of candidates)
    for (const path of defaults?.adapters ?? []) files.set(path, [...(files.get(path) ?? []), key]);
  return files;
}

function adaptersIn(
  candidates: readonly Candidate[],
  examined: ReadonlyMap<string, Examination>,
  extra: ReadonlyMap<string, readonly string[]>,
  ids: ReadonlyMap<string, string>,
): FoundAdapter[] {
  const places = [
    ...candidates.map(({ real, path, source }) => ({ real, path, source })),
    ...[...extra.keys()].map((path) => ({ real: path, path, source: "ollama" })),
  ];
  const seen = new Set<string>();
  return places.flatMap(({ real, path, source }) => {
    const result = examined.get(real);
    if (result?.kind !== "adapter" || seen.has(real)) return [];
    seen.add(real);
    const manifestOf = (extra.get(path) ?? []).map((key) => ids.get(key)).filter((id) => id !== undefined);
    return [{ path, source, facts: result.adapter, manifestOf }];
  });
}

function reportOf(
  { place, found, keys }: Survey["places"][number],
  candidates: readonly Candidate[],
  examined: ReadonlyMap<string, Examination>,
  ids: ReadonlyMap<string, string>,
  adapters: readonly AdapterInfo[],
): PlaceReport {
  const mine = new Set(keys);
  const here = candidates.filter(({ key }) => mine.has(key));
  const refused = here.flatMap(({ path, real }) => {
    const result = examined.get(real);
    if (result?.kind === "adapter") return [{ path, reason: "a LoRA adapter, not a model" }];
    return result?.kind === "none" ? [{ path, reason: result.reason }] : [];
  });
  const paths = new Set(here.map(({ path }) => path));
  return {
    label: place.label,
    path: place.path,
    exists: found.exists,
    models: here.map(({ key }) => ids.get(key)).filter((id) => id !== undefined),
    adapters: adapters.filter(({ path }) => paths.has(path)).map(({ name }) => name),
    skipped: [...refused, ...found.skipped],
  };
}
