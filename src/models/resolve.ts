/**
 * Which model answers for a name: the fallback hierarchy of the integration template, as one pure policy. Called by the pool.
 *
 *   exact (or another spelling) → same family, nearest in size and quantisation → default → error with the alternatives
 *   default = the setting → a loaded model → the first listed that generates → the embedded one
 */
import { ShimmyError } from "../contract/errors.ts";
import type { ResolvedModel } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import { bitsOf, DEFAULT_NAMES, familyOf, idsMeantBy, parametersIn, quantizationIn } from "./names.ts";
import { nearestFirst } from "./spelling.ts";

export interface ResolveOptions {
  /** Only the model that was named: no other answers for it. The names of the default still work. */
  readonly strict: boolean;
  /** The setting: a name of the default model, in any spelling. Ignored while no such model is listed. */
  readonly default?: string;
  /** Ids of the models that are loaded: they are preferred as default. */
  readonly loaded?: ReadonlySet<string>;
}

/** No id is as long (a file name has at most 255 bytes): what comes after is not looked at. */
const MAX_NAME = 512;
/** In an error message. */
const MAX_ALTERNATIVES = 32;
const MAX_SHOWN_NAME = 128;

/**
 * @param models in order of preference, the embedded one last.
 * @returns the model; it may be one that cannot generate if it was named exactly. `fallbackFrom` is set if another model answers.
 * @throws model_not_found, with the alternatives, near spellings first.
 */
export function resolveModel(name: string, models: readonly ModelInfo[], options: ResolveOptions): ResolvedModel {
  const byDefaultName = DEFAULT_NAMES.has(name.trim().toLowerCase());
  const exact = byDefaultName ? undefined : findByName(name, models);
  if (exact) return { info: exact };
  if (options.strict && !byDefaultName) throw notFound(name, models);
  const info = (byDefaultName ? undefined : sameFamily(name, models)) ?? defaultModel(models, options);
  if (!info) throw notFound(name, models);
  return byDefaultName ? { info } : { info, fallbackFrom: name };
}

/** The model that answers when none is named; undefined if none can generate. */
export function defaultModel(models: readonly ModelInfo[], options: Omit<ResolveOptions, "strict">): ModelInfo | undefined {
  const named = options.default === undefined ? undefined : findByName(options.default, models);
  if (named) return named;
  const generative = models.filter((model) => model.generative);
  const own = generative.filter((model) => !isEmbedded(model));
  return own.find((model) => options.loaded?.has(model.id)) ?? own[0] ?? generative[0];
}

/** By id or another spelling of it. */
export function findByName(name: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  for (const id of idsMeantBy(name.slice(0, MAX_NAME))) {
    const model = models.find((candidate) => candidate.id.toLowerCase() === id);
    if (model) return model;
  }
  return undefined;
}

export function isEmbedded(model: ModelInfo): boolean {
  return model.source === "embedded";
}

function sameFamily(asked: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  const name = asked.slice(0, MAX_NAME);
  const family = familyOf(name);
  if (family === undefined) return undefined;
  const size = parametersIn(name);
  const quantization = quantizationIn(name);
  const candidates = models
    .filter((model) => model.generative && model.family === family)
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

function notFound(name: string, models: readonly ModelInfo[]): ShimmyError {
  const ids = nearestFirst(
    idsMeantBy(name.slice(0, MAX_NAME))[0] ?? "",
    models.map(({ id }) => id),
  );
  const more = ids.length > MAX_ALTERNATIVES ? [`and ${ids.length - MAX_ALTERNATIVES} more`] : [];
  const model = name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}…` : name;
  return new ShimmyError("model_not_found", { model, available: ids.length === 0 ? "none" : [...ids.slice(0, MAX_ALTERNATIVES), ...more] });
}
