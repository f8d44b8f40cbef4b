/** Which LoRA file belongs to which model: by what its metadata names, else by its file's name. Called by the catalogue. Pure. */
import { basename, dirname } from "node:path";
import type { AdapterInfo, ModelInfo } from "../contract/model.ts";
import type { AdapterFacts } from "./model-file.ts";
import { idOfFile } from "./names.ts";

export interface FoundAdapter {
  readonly path: string;
  readonly source: string;
  readonly facts: AdapterFacts;
  /** Ids of the models whose manifest lists it. */
  readonly manifestOf: readonly string[];
}

export interface BaseModel {
  readonly info: ModelInfo;
  /** What its metadata calls it. */
  readonly names: readonly string[];
}

/** In the order in which they were found; equal names get a counter. */
export function pairAdapters(found: readonly FoundAdapter[], models: readonly BaseModel[]): AdapterInfo[] {
  const taken = new Set<string>();
  return found.map(({ path, source, facts, manifestOf }) => {
    const name = freeName(adapterName(path, manifestOf), taken);
    const baseModel = facts.baseNames[0];
    const common = {
      name,
      path,
      source,
      sizeBytes: facts.sizeBytes,
      architecture: facts.architecture,
      ...(baseModel !== undefined && { baseModel }),
    };
    return { ...common, ...basesOf(path, facts, manifestOf, models) };
  });
}

function basesOf(
  path: string,
  facts: AdapterFacts,
  manifestOf: readonly string[],
  models: readonly BaseModel[],
): Pick<AdapterInfo, "bases" | "pairedBy"> {
  if (manifestOf.length > 0) return { bases: manifestOf, pairedBy: "manifest" };
  // libllama refuses an adapter of another architecture, whatever the names say.
  const fitting = models.filter(({ info }) => info.architecture === facts.architecture && info.generative);
  const wanted = new Set(facts.baseNames.map(stemOf));
  const byMetadata = fitting.filter((model) => stemsOf(model).some((stem) => wanted.has(stem)));
  if (byMetadata.length > 0) return { bases: byMetadata.map(({ info }) => info.id), pairedBy: "metadata" };
  const own = stemOf(basename(path));
  const byName = fitting.map((model) => ({ model, fit: nameFit(own, path, model) })).filter(({ fit }) => fit > 0);
  if (byName.length === 0) return { bases: [] };
  return { bases: byName.sort((a, b) => b.fit - a.fit).map(({ model }) => model.info.id), pairedBy: "name" };
}

/** How well names agree: the length of what is shared, more in the same folder; 0 if neither holds the other as whole words. */
function nameFit(own: string, path: string, model: BaseModel): number {
  const shared = [stemOf(basename(model.info.path)), stemOf(model.info.id)].filter(
    (stem) => holdsWords(own, stem) || holdsWords(stem, own),
  );
  const longest = Math.max(0, ...shared.map((stem) => Math.min(stem.length, own.length)));
  return longest === 0 ? 0 : longest + (dirname(path) === dirname(model.info.path) ? 0.5 : 0);
}

function holdsWords(long: string, short: string): boolean {
  return short.length >= 3 && `-${long}-`.includes(`-${short}-`);
}

function stemsOf({ info, names }: BaseModel): string[] {
  return [basename(info.path), info.id, ...(info.aliases ?? []).map((alias) => alias.split("/").at(-1)!), ...names].map(stemOf);
}

/** A name without what tells files of one model apart: quantisation, "lora", "adapter", "gguf". */
function stemOf(name: string): string {
  return idOfFile(name)
    .replace(/[.:_]/g, "-")
    .split("-")
    .filter((word) => !/^(lora|adapter|gguf|ggml|latest|model)$/.test(word))
    .join("-")
    .replace(/(^|-)(iq\d|q\d|tq\d|mxfp4|nvfp4|bf16|f16|f32|fp16)(-(k|0|1|s|m|l|xs|xxs|nl))*$/, "");
}

function adapterName(path: string, manifestOf: readonly string[]): string {
  // A blob's own name is a digest.
  return /^sha256-/.test(basename(path)) && manifestOf[0] !== undefined ? `${idOfFile(manifestOf[0])}-adapter` : idOfFile(path);
}

function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let counter = 2; taken.has(free); counter++) free = `${name}-${counter}`;
  taken.add(free);
  return free;
}
