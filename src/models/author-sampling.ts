/**
 * How the authors of a model want it to be sampled: what its file says (`general.sampling.*`), and what its store says (`PARAMETER` of an
 * Ollama Modelfile). Called by describe.ts, by pool/ for each request, and by those who show a model. Pure; nothing trusts the values.
 */
import type { SamplingParams } from "../contract/generation.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { GgufHeader } from "./gguf/header.ts";

/** What holds where a request says nothing. */
export interface AuthorDefaults {
  readonly sampling: Partial<SamplingParams>;
  readonly stop?: readonly string[];
  /** Most tokens of an answer. */
  readonly maxTokens?: number;
  /** Names of values that were out of range and do not count. */
  readonly ignored: readonly string[];
}

type Numeric = Exclude<keyof SamplingParams, "logitBias">;

const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
const MAX_STOPS = 16;
const MAX_STOP_LENGTH = 1024;

interface Range {
  readonly min: number;
  readonly max: number;
  readonly whole?: true;
}

/** The ranges that requests have too (protocols/openai/schema.ts). */
const RANGES: Readonly<Record<Numeric, Range>> = {
  temperature: { min: 0, max: 5 },
  topK: { min: -1, max: INT32_MAX, whole: true },
  topP: { min: 0, max: 1 },
  minP: { min: 0, max: 1 },
  typicalP: { min: 0, max: 1 },
  repeatPenalty: { min: 0.01, max: 10 },
  repeatLastN: { min: -1, max: INT32_MAX, whole: true },
  frequencyPenalty: { min: -2, max: 2 },
  presencePenalty: { min: -2, max: 2 },
  mirostat: { min: 0, max: 2, whole: true },
  mirostatTau: { min: 0, max: 100 },
  mirostatEta: { min: 0, max: 1 },
  seed: { min: 0, max: UINT32_MAX, whole: true },
};

/** Keys that llama.cpp reads (src/llama-arch.cpp, common/common.cpp); its xtc_* and sequence are of samplers that are not here. */
const FILE_KEYS: Readonly<Record<string, Numeric>> = {
  temp: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  penalty_last_n: "repeatLastN",
  penalty_repeat: "repeatPenalty",
  mirostat: "mirostat",
  mirostat_tau: "mirostatTau",
  mirostat_eta: "mirostatEta",
};

/** Names of ollama/ollama's docs/modelfile.mdx. Of seed a negative one means "draw one". */
const STORE_NAMES: Readonly<Record<string, Numeric>> = {
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  typical_p: "typicalP",
  repeat_penalty: "repeatPenalty",
  repeat_last_n: "repeatLastN",
  frequency_penalty: "frequencyPenalty",
  presence_penalty: "presencePenalty",
  mirostat: "mirostat",
  mirostat_tau: "mirostatTau",
  mirostat_eta: "mirostatEta",
  seed: "seed",
};

/** What the file says. */
export function samplingOf(header: GgufHeader): Pick<ModelInfo, "sampling" | "ignoredSampling"> {
  const keys = Object.entries(FILE_KEYS).map(([key, name]) => [name, `general.sampling.${key}`] as const);
  const { sampling, ignored } = checked(keys.map(([name, key]) => [name, header.metadata.get(key), key]));
  return { ...(Object.keys(sampling).length > 0 && { sampling }), ...(ignored.length > 0 && { ignoredSampling: ignored }) };
}

/** What is known of the wishes of a model's authors. */
export type AuthorWords = Pick<ModelInfo, "sampling" | "ignoredSampling" | "defaults">;

/** What holds for a model, its store before its file. `num_ctx` does not: memory and training decide that. */
export function authorDefaults({ sampling: ofFile, ignoredSampling = [], defaults }: AuthorWords): AuthorDefaults {
  const parameters = defaults?.parameters ?? {};
  const named = Object.entries(STORE_NAMES).map(([key, name]) => [name, parameters[key], key] as const);
  const drawn = (name: Numeric, value: unknown) => name === "seed" && typeof value === "number" && value < 0;
  const { sampling, ignored } = checked(named.filter(([name, value]) => !drawn(name, value)));
  const stop = stopsOf(parameters.stop);
  const limit = parameters.num_predict;
  const isLimit = typeof limit === "number" && Number.isInteger(limit) && limit >= 0 && limit <= INT32_MAX;
  return {
    sampling: { ...ofFile, ...sampling },
    ...(stop.length > 0 && { stop }),
    ...(isLimit && { maxTokens: limit }),
    ignored: [...ignoredSampling, ...ignored],
  };
}

function checked(
  named: ReadonlyArray<readonly [name: Numeric, value: unknown, key: string]>,
): Pick<AuthorDefaults, "sampling" | "ignored"> {
  const given = named.filter(([, value]) => value !== undefined);
  const good = given.filter(([name, value]) => isWithin(RANGES[name], value));
  return {
    sampling: Object.fromEntries(
      good.map(([name, value]) => [name, name === "topK" ? Math.max(0, value as number) : tidy(value as number)]),
    ),
    ignored: given.filter(([name, value]) => !isWithin(RANGES[name], value)).map(([, , key]) => key),
  };
}

function isWithin({ min, max, whole }: Range, value: unknown): boolean {
  return typeof value === "number" && value >= min && value <= max && (!whole || Number.isInteger(value));
}

/** Files hold 32-bit floats: 0.7 is 0.699999988 there. Whole numbers stay what they are. */
function tidy(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(7));
}

function stopsOf(value: unknown): readonly string[] {
  const stops = [value ?? []].flat().filter((stop): stop is string => typeof stop === "string" && stop !== "");
  return stops.filter(({ length }) => length <= MAX_STOP_LENGTH).slice(0, MAX_STOPS);
}
