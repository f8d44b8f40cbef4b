/**
 * Which model answers for a name: the fallback hierarchy of the integration template, as one pure policy. Called by the pool.
 *
 *   exact (or another spelling) → alias → same family, nearest in size and quantisation → default → error with the alternatives
 *   alias   = "", `default`, `auto` → configured or saved → a name of the model's store
 *   default = the setting → a loaded model → the first listed that generates → the embedded one
 *             where vectors are wanted: a loaded embedding model → the first listed → as above
 *
 * What was asked for ends with the aliases; the two steps after them are fallbacks, which `strict` forbids.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { ResolvedModel, Wanted } from "../contract/generation.ts";
import type { Capability, ModelInfo } from "../contract/model.ts";
import { type AliasTable, aliasFor, isPattern, NO_ALIASES } from "./alias-table.ts";
import { findById, findByStoreName } from "./name-index.ts";
import { bitsOf, DEFAULT_NAMES, familyOf, idsMeantBy, parametersIn, quantizationIn } from "./names.ts";
import { nearestFirst } from "./spelling.ts";

export interface ResolveOptions {
  /** Only the model that was named: no other answers for it. The names of the default still work. */
  readonly strict: boolean;
  /** The setting: a name of the default model, in any spelling. Ignored while no such model is listed. */
  readonly default?: string;
  /** Ids of the models that are loaded: they are preferred as default. */
  readonly loaded?: ReadonlySet<string>;
  readonly aliases?: AliasTable;
  /** Absent: text. */
  readonly wants?: Wanted;
}

/** No id is as long (a file name has at most 255 bytes): what comes after is not looked at. */
const MAX_NAME = 512;
/** In an error message. */
const MAX_ALTERNATIVES = 32;
const MAX_SHOWN_NAME = 128;

/**
 * @param models in order of preference, the embedded one last.
 * @returns the model and the step that answered; it may be one that cannot generate if it was named. `fallbackFrom` is set if another
 * model answers than the one that was named.
 * @throws model_not_found, with the alternatives, near spellings first.
 */
export function resolveModel(name: string, models: readonly ModelInfo[], options: ResolveOptions): ResolvedModel {
  const found = lookUp(name, models, options.aliases ?? NO_ALIASES);
  if (found.info) return { info: found.info, via: found.via };
  if (found.meansDefault) {
    const info = defaultModel(models, options);
    if (info) return { info, via: "alias" };
    throw notFound(name, models, options);
  }
  if (options.strict) throw notFound(name, models, options);
  // Of an alias whose model is not there: the family of that model, not of the alias ("gpt-4" says nothing).
  const family = sameFamily(found.meant, candidatesFor(models, options.wants));
  const info = family ?? defaultModel(models, options);
  if (!info) throw notFound(name, models, options);
  return { info, via: family ? "family" : "default", fallbackFrom: name };
}

/** The model that answers when none is named; undefined if none can generate. */
export function defaultModel(models: readonly ModelInfo[], options: Omit<ResolveOptions, "strict">): ModelInfo | undefined {
  const named = options.default === undefined ? undefined : findByName(options.default, models, options.aliases);
  const candidates = candidatesFor(models, options.wants);
  if (named && (options.wants === undefined || candidates.includes(named))) return named;
  const own = candidates.filter((model) => !isEmbedded(model));
  return own.find((model) => options.loaded?.has(model.id)) ?? own[0] ?? candidates[0];
}

/** Where there is no embedding model, vectors of one that generates are better than none; a reranker is asked for scores first. */
function candidatesFor(models: readonly ModelInfo[], wants: Wanted = "text"): readonly ModelInfo[] {
  const capable = (capability: Capability) => models.filter((model) => model.capabilities?.includes(capability));
  const generative = models.filter((model) => model.generative);
  const wishes = { text: [], vectors: [capable("embedding")], scores: [capable("reranking"), capable("embedding")] };
  return wishes[wants].find((found) => found.length > 0) ?? generative;
}

/** By id, another spelling of it, or an alias that names a model; never by a fallback. */
export function findByName(name: string, models: readonly ModelInfo[], aliases: AliasTable = NO_ALIASES): ModelInfo | undefined {
  return lookUp(name, models, aliases).info;
}

/** The models with the whole aliases of the table among their own; patterns and what names no model are nobody's. */
export function withAliases(models: readonly ModelInfo[], aliases: AliasTable): readonly ModelInfo[] {
  const named = new Map<string, string[]>();
  for (const { name } of aliases) {
    const info = isPattern(name) ? undefined : findByName(name, models, aliases);
    // A name that is also an id or a spelling of one stands for that model, not for its target.
    if (info && lookUp(name, models, NO_ALIASES).via !== "exact") named.set(info.id, [...(named.get(info.id) ?? []), name]);
  }
  return models.map((info) => {
    const added = named.get(info.id);
    return added ? { ...info, aliases: [...new Set([...(info.aliases ?? []), ...added])] } : info;
  });
}

type Lookup =
  | { readonly info: ModelInfo; readonly via: "exact" | "alias"; readonly meansDefault?: never }
  | { readonly info?: never; readonly via?: never; readonly meansDefault: boolean; readonly meant: string };

/** The steps that are no fallback. `meant` is the name to go on with. */
function lookUp(name: string, models: readonly ModelInfo[], aliases: AliasTable): Lookup {
  const asked = name.slice(0, MAX_NAME);
  if (isDefaultName(name)) return { meansDefault: true, meant: asked };
  const exact = findById(asked, models);
  if (exact) return { info: exact, via: "exact" };
  const target = aliasFor(asked, aliases)?.target;
  if (target !== undefined && isDefaultName(target)) return { meansDefault: true, meant: target };
  const meant = (target ?? asked).slice(0, MAX_NAME);
  const info = (target === undefined ? undefined : findById(meant, models)) ?? findByStoreName(meant, models);
  return info ? { info, via: "alias" } : { meansDefault: false, meant };
}

function isDefaultName(name: string): boolean {
  return DEFAULT_NAMES.has(name.trim().toLowerCase());
}

export function isEmbedded(model: ModelInfo): boolean {
  return model.source === "embedded";
}

function sameFamily(name: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  const family = familyOf(name);
  if (family === undefined) return undefined;
  const size = parametersIn(name);
  const quantization = quantizationIn(name);
  const candidates = models
    .filter((model) => model.family === family)
    .map((model) => ({ model, distance: [sizeDistance(size, model), quantizationDistance(quantization, model)] as const }));
  // The sort is stable: equals keep the order of preference.
  return candidates.sort((a, b) => a.distance[0] - b.distance[0] || a.distance[1] - b.distance[1])[0]?.model;
}

/** In doublings: 8b is as far from 4b as from 16b. A tenth is no difference: "8b" models have 7.6 to 8.4 billion. */
function sizeDistance(wanted: number | undefined, model: ModelInfo): number {
  if (wanted === undefined || wanted === 0 || model.parameters === 0) return 0;
  return Math.floor(Math.abs(Math.log2(model.parameters / wanted)) / 0.15);
}

function quantizationDistance(wanted: string | undefined, model: ModelInfo): number {
  if (wanted === undefined || wanted === model.quantization) return 0;
  return 1 + Math.abs(bitsOf(wanted) - bitsOf(model.quantization));
}

function notFound(name: string, models: readonly ModelInfo[], { aliases = NO_ALIASES }: ResolveOptions): ShimmyError {
  const named = withAliases(models, aliases);
  const names = [...named.map(({ id }) => id), ...named.flatMap((model) => model.aliases ?? [])];
  const near = nearestFirst(idsMeantBy(name.slice(0, MAX_NAME))[0] ?? "", names);
  const more = near.length > MAX_ALTERNATIVES ? [`and ${near.length - MAX_ALTERNATIVES} more`] : [];
  const available = near.length === 0 ? "none" : [...near.slice(0, MAX_ALTERNATIVES), ...more];
  return new ShimmyError("model_not_found", { model: shownName(name), available });
}

/** A name from outside as it may be told: whole characters, not too long. */
export function shownName(name: string): string {
  const whole = name.slice(0, MAX_SHOWN_NAME).replace(/\p{Surrogate}/gu, "\u{FFFD}");
  return name.length > MAX_SHOWN_NAME ? `${whole}…` : whole;
}
