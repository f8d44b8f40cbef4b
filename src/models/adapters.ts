/**
 * The LoRA adapters that can be asked for as `model+adapter`: those that were given (--lora), then those that were found beside the
 * models. Asked by the pool. An adapter belongs to each model that its tensors fit; headers are read when first needed, and again when a
 * file has changed. A model's plain id means the model as it is, unless its store (Ollama's manifests) makes an adapter a part of it. It
 * must not know what is loaded.
 */
import { stat } from "node:fs/promises";
import { ShimmyError } from "../contract/errors.ts";
import type { ResolvedModel } from "../contract/generation.ts";
import type { ModelInfo, ServedAdapter } from "../contract/model.ts";
import type { AdapterFile } from "./adapter-file.ts";
import { aliasFor } from "./alias-table.ts";
import { DEFAULT_NAMES, idOfFile } from "./names.ts";
import { findByName, type ResolveOptions, resolveModel } from "./resolve.ts";

export interface GivenAdapter {
  /** Absolute. */
  readonly path: string;
  readonly scale: number;
}

/** An adapter that was found on the disk, and the ids of the models that it is meant for. */
export interface FoundAdapter {
  readonly name: string;
  readonly path: string;
  readonly bases: readonly string[];
}

export interface AdaptersOptions {
  readonly given: readonly GivenAdapter[];
  /** Absent: none are looked for. */
  readonly found?: () => Promise<readonly FoundAdapter[]>;
}

/** Loaded when there is an adapter to look at: an idle server has no use for it. */
const files = () => import("./adapter-file.ts");

/** An adapter before it is known whether it fits. */
type Candidate = Omit<ServedAdapter, "identity">;

interface Examined {
  readonly identity: string;
  readonly file: AdapterFile | { readonly reason: string };
}

export class Adapters {
  readonly #given: readonly Candidate[];
  readonly #found: AdaptersOptions["found"];
  /** By path. */
  readonly #examined = new Map<string, Examined>();
  /** Why an adapter does not fit a model, by the paths of both. */
  readonly #verdicts = new Map<string, { readonly of: string; readonly reason: string | undefined }>();

  constructor({ given, found }: AdaptersOptions) {
    this.#given = named(given);
    this.#found = found;
  }

  /** Why those of the given files that cannot be used cannot, whatever the model. */
  async check(): Promise<ShimmyError[]> {
    if (this.#given.length === 0) return [];
    const { readAdapterFile } = await files();
    const results = await Promise.all(this.#given.map(({ path }) => readAdapterFile(path).then(() => undefined, ShimmyError.from)));
    return results.filter((error) => error !== undefined);
  }

  /** Names of those that fit the model. */
  async namesFor(base: ModelInfo): Promise<string[]> {
    const names: string[] = [];
    for (const candidate of await this.#candidates(base)) if (!(await this.#reason(candidate, base)).reason) names.push(candidate.name);
    return names;
  }

  /** By exact name, letter case aside. @throws adapter_not_found with the names; adapter_unusable when that one does not fit. */
  async find(base: ModelInfo, name: string): Promise<ServedAdapter> {
    const candidate = (await this.#candidates(base)).find((each) => each.name === name.toLowerCase());
    if (!candidate) {
      const names = await this.namesFor(base);
      const details = { model: base.id, adapter: name.slice(0, MAX_SHOWN_NAME), available: names.length > 0 ? names : "none" };
      throw new ShimmyError("adapter_not_found", details);
    }
    const { identity, reason } = await this.#reason(candidate, base);
    if (reason) throw new ShimmyError("adapter_unusable", { adapter: candidate.name, reason });
    return { ...candidate, identity };
  }

  /** The one that the model's store makes a part of it; undefined: none. @throws adapter_unusable */
  async ownOf(base: ModelInfo): Promise<ServedAdapter | undefined> {
    const [path, ...others] = base.defaults?.adapters ?? [];
    if (path === undefined) return undefined;
    const candidate = { name: adapterName(idOfFile(path)), path, scale: 1 };
    const examined = await this.#reason(candidate, base);
    const reason = others.length > 0 ? `the model '${base.id}' has ${others.length + 1} of them at once` : examined.reason;
    if (reason) throw new ShimmyError("adapter_unusable", { adapter: candidate.name, reason });
    return { ...candidate, identity: examined.identity, implied: true };
  }

  async #candidates(base: ModelInfo): Promise<Candidate[]> {
    const found = (await this.#found?.()) ?? [];
    const names = new Set(this.#given.map(({ name }) => name));
    const paths = new Set([...this.#given.map(({ path }) => path), ...(base.defaults?.adapters ?? [])]);
    const others = found.filter(({ name, path, bases }) => bases.includes(base.id) && !names.has(adapterName(name)) && !paths.has(path));
    return [...this.#given, ...others.map(({ name, path }) => ({ name: adapterName(name), path, scale: 1 }))];
  }

  async #reason({ path }: Candidate, base: ModelInfo): Promise<{ identity: string; reason: string | undefined }> {
    const { identity, file } = await this.#examine(path);
    if ("reason" in file) return { identity, reason: file.reason };
    const { mismatch, readBaseTensors } = await files();
    // The usual case costs nothing: a store of many models is not read for one adapter.
    if (file.architecture !== base.architecture)
      return { identity, reason: mismatch(file, { architecture: base.architecture, dims: new Map() }) };
    const key = `${path}\n${base.path}`;
    const of = `${identity} ${base.sizeBytes}:${base.modifiedMs}`;
    const known = this.#verdicts.get(key);
    if (known?.of === of) return { identity, reason: known.reason };
    const reason = await readBaseTensors(base.path).then((tensors) => mismatch(file, tensors), reasonOf);
    this.#verdicts.set(key, { of, reason });
    return { identity, reason };
  }

  async #examine(path: string): Promise<Examined> {
    const identity = await stat(path).then(
      ({ size, mtimeMs, ino }) => `${size}:${mtimeMs}:${ino}`,
      () => "missing",
    );
    const known = this.#examined.get(path);
    if (known?.identity === identity) return known;
    const file = await (await files()).readAdapterFile(path).catch((error) => ({ reason: reasonOf(error) }));
    const examined = { identity, file };
    this.#examined.set(path, examined);
    return examined;
  }
}

const MAX_SHOWN_NAME = 128;

/**
 * What a name means if it may be `model+adapter`, or an alias or the default that stands for one: the model by the rules of resolve.ts, its
 * adapter by exact name. A model whose own name has a plus is preferred; where the model is not there and another one answers for it
 * without such an adapter, the name was none of ours.
 * @throws what `resolveModel` throws; adapter_not_found, adapter_unusable
 */
export async function resolveWithAdapter(
  name: string,
  models: readonly ModelInfo[],
  options: ResolveOptions,
  adapters: Adapters | undefined,
): Promise<ResolvedModel> {
  const model = await byName(name, models, options, adapters);
  const own = model.adapter ? undefined : await adapters?.ownOf(model.info);
  return own ? { ...model, adapter: own } : model;
}

async function byName(
  name: string,
  models: readonly ModelInfo[],
  options: ResolveOptions,
  adapters: Adapters | undefined,
): Promise<ResolvedModel> {
  const rules = withoutAdapter(models, options);
  const target = standsFor(name, options) ?? name;
  const parts = adapters && splitAdapter(target);
  if (!parts) return resolveModel(name, models, rules);
  const whole = attempt(() => resolveModel(name, models, rules));
  if (whole?.via === "exact" || (target === name && whole?.via === "alias")) return whole;
  const base = resolveModel(parts.base, models, rules);
  const isFallback = base.fallbackFrom !== undefined;
  try {
    const adapter = await adapters.find(base.info, parts.adapter);
    if (isFallback) return { ...base, fallbackFrom: name, adapter };
    return { ...base, via: target === name ? base.via : "alias", adapter };
  } catch (error) {
    if (isFallback && whole) return whole;
    throw error;
  }
}

/** An alias is followed once, and then to the default. */
function standsFor(name: string, { aliases, default: byDefault }: ResolveOptions): string | undefined {
  const target = aliases && aliasFor(name, aliases)?.target;
  return DEFAULT_NAMES.has((target ?? name).trim().toLowerCase()) ? byDefault : target;
}

/** The default is a model there, though it be set to one with an adapter. */
function withoutAdapter(models: readonly ModelInfo[], options: ResolveOptions): ResolveOptions {
  const parts = options.default === undefined ? undefined : splitAdapter(options.default);
  return parts && !findByName(options.default!, models, options.aliases) ? { ...options, default: parts.base } : options;
}

/** "model+adapter"; an adapter's name has no plus and begins with a letter or digit, so "command-r+" and "r+-08" are none. */
export function splitAdapter(name: string): { readonly base: string; readonly adapter: string } | undefined {
  const match = /^(.*)\+([\p{L}\p{N}][^+]*)$/u.exec(name.trim());
  return match ? { base: match[1]!, adapter: match[2]! } : undefined;
}

function attempt(resolve: () => ResolvedModel): ResolvedModel | undefined {
  try {
    return resolve();
  } catch {
    return undefined; // then the name is read in two parts, whose failure is told
  }
}

/** One name each: that of the file, with a counter where it is taken. */
function named(given: readonly GivenAdapter[]): Candidate[] {
  const taken = new Set<string>();
  return given.map(({ path, scale }) => {
    const plain = adapterName(idOfFile(path));
    let name = plain;
    for (let counter = 2; taken.has(name); counter++) name = `${plain}-${counter}`;
    taken.add(name);
    return { name, path, scale };
  });
}

/** As it is written after the plus. */
function adapterName(name: string): string {
  return name.toLowerCase().replaceAll("+", "-");
}

/** Without the path. Anything but a failure of a file is thrown again. */
function reasonOf(error: unknown): string {
  const { code, details } = ShimmyError.from(error);
  if (code === "model_file_missing") return "there is no such file";
  if (code === "model_file_invalid") return String(details.reason);
  throw error;
}
