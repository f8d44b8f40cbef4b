/**
 * Reads flags, environment and file through the table into one frozen configuration that knows where each value came from.
 * Called once by the CLI or the library before anything else exists; it decides nothing about models or sockets.
 *
 *     defaults ◄ file ◄ environment ◄ flags      each layer is checked as a whole, also where a later one overrides it
 */
import { homedir } from "node:os";
import { ShimmyError } from "../contract/errors.ts";
import { type AlertSpec, type ConfigFile, type FileValue, findConfigFile, readConfigFile, type Surroundings } from "./file.ts";
import { BadValue, type Kind, type PathBase } from "./kinds.ts";
import { nearest } from "./suggest.ts";
import { CONFIG_FILE, type Config, SETTING_KEYS, SETTINGS, type SettingKey } from "./table.ts";

/** Where a value came from: `name` is the flag, the variable or the path of the file; empty for a default. */
export interface Source {
  readonly from: "default" | "file" | "environment" | "flag";
  readonly name: string;
}

/** What commander collected: raw text, true/false of a switch, or the values of a repeated flag. `config` names the file. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface LoadedConfig {
  readonly config: Config;
  readonly sources: Readonly<Record<SettingKey, Source>>;
  /** The file that was read, if one was. */
  readonly file?: string;
  /** The file's `alerts:` block by name, unparsed. */
  readonly alerts: Readonly<Record<string, AlertSpec>>;
  /** Sentences for the log: nothing that stops the program. */
  readonly warnings: readonly string[];
}

/** One raw value on its way to the table. */
interface Given {
  readonly key: SettingKey;
  readonly value: FileValue;
  readonly source: Source;
  /** As its author spelled it: `--port`, `SHIMMY_PORT`, `port`. */
  readonly spelled: string;
}

export type { AlertSpec };

export const MASK = "****";

/**
 * Only flags that were really given belong in `flags`, not commander's defaults.
 * @throws config_file, unknown_setting, invalid_setting
 */
export async function loadConfig(flags: FlagValues = {}, given: Partial<Surroundings> = {}): Promise<LoadedConfig> {
  const around = { env: process.env, cwd: process.cwd(), home: homedir(), platform: process.platform, ...given };
  const path = findConfigFile(namedFile(flags, around.env), around);
  const file = path === undefined ? undefined : await readConfigFile(path);
  const warnings: string[] = [];

  const config = new Map<string, unknown>(SETTING_KEYS.map((key) => [key, Object.freeze(SETTINGS[key].default)]));
  const sources = new Map<string, Source>(SETTING_KEYS.map((key) => [key, { from: "default", name: "" }]));
  const take = (layer: readonly Given[], folder: string) => {
    for (const item of layer) {
      config.set(item.key, readValue(item, { folder, home: around.home }));
      sources.set(item.key, item.source);
    }
  };
  if (file) take(fromFile(file), file.folder);
  take(fromEnvironment(around.env, warnings), around.cwd);
  take(fromFlags(flags), around.cwd);
  refuseContradiction(config, sources);

  // The maps were filled key by key from the table, each value by its own kind: the one place where the types are told so.
  return Object.freeze({
    config: Object.freeze(Object.fromEntries(config)) as unknown as Config,
    sources: Object.freeze(Object.fromEntries(sources)) as Record<SettingKey, Source>,
    ...(file && { file: file.path }),
    alerts: file?.alerts ?? {},
    warnings: Object.freeze(warnings),
  });
}

function namedFile(flags: FlagValues, env: Surroundings["env"]): string | undefined {
  const flag = flags[CONFIG_FILE.key];
  return (typeof flag === "string" ? flag : undefined) ?? (env[CONFIG_FILE.env] || undefined);
}

function fromFile(file: ConfigFile): Given[] {
  const keys = new Map(SETTING_KEYS.map((key) => [SETTINGS[key].file, key]));
  const layer: Given[] = [];
  for (const [spelled, value] of file.values) {
    const key = keys.get(spelled);
    if (key === undefined) throw unknown(file.path, spelled, [...keys.keys(), "shimmy_config", "alerts"]);
    if (value !== "") layer.push({ key, value, spelled, source: { from: "file", name: file.path } });
  }
  return layer;
}

/** Empty variables count as not set. Unknown SHIMMY_* names only warn: other programs may use them. */
function fromEnvironment(env: Surroundings["env"], warnings: string[]): Given[] {
  const known = new Set<string>([CONFIG_FILE.env]);
  const layer: Given[] = [];
  for (const key of SETTING_KEYS) {
    for (const name of SETTINGS[key].env) known.add(name);
    const [name, ...ignored] = SETTINGS[key].env.filter((candidate) => env[candidate]);
    if (name === undefined) continue;
    layer.push({ key, value: env[name] ?? "", spelled: name, source: { from: "environment", name } });
    for (const other of ignored) warnings.push(`environment: ${other} is ignored because ${name} is set`);
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith("SHIMMY_") || known.has(name) || !env[name]) continue;
    const near = nearest(name, [...known]);
    warnings.push(`environment: ${name} is not a setting${near ? `; did you mean ${near}?` : ""}`);
  }
  return layer;
}

function fromFlags(flags: FlagValues): Given[] {
  const layer: Given[] = [];
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined || name === CONFIG_FILE.key) continue;
    const key = SETTING_KEYS.find((candidate) => candidate === name);
    const flag = key && SETTINGS[key].flag;
    if (key === undefined || flag === undefined) {
      const allowed = SETTING_KEYS.filter((candidate) => SETTINGS[candidate].flag !== undefined);
      throw unknown("command line", name, allowed);
    }
    layer.push({
      key,
      value: typeof value === "boolean" ? String(value) : value,
      spelled: `--${flag}`,
      source: { from: "flag", name: `--${flag}` },
    });
  }
  return layer;
}

/** What each value alone does not show. */
function refuseContradiction(config: ReadonlyMap<string, unknown>, sources: ReadonlyMap<string, Source>): void {
  if (config.get("kvType") !== "q8_0" || config.get("flashAttention") !== "off") return;
  const source = sources.get("flashAttention")!;
  const name = source.from === "file" ? SETTINGS.flashAttention.file : source.name;
  const reason = `a KV cache of q8_0 (${SETTINGS.kvType.file}) can only be read with flash attention`;
  throw new ShimmyError("invalid_setting", { source: placeOf(source), name, value: "'off'", reason });
}

function readValue(given: Given, base: PathBase): unknown {
  const { kind, secret } = SETTINGS[given.key];
  try {
    const value = parse(kind, given, base);
    // `--api-key "$UNSET"` must not open the server silently.
    if (secret && kind.format(value) === "") throw new BadValue(`use ${kind.allowed}`);
    return Object.freeze(value);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const value = secret ? MASK : shown(given.value);
    throw new ShimmyError("invalid_setting", { source: placeOf(given.source), name: given.spelled, value, reason: error.message });
  }
}

function parse(kind: Kind<unknown>, { value, source }: Given, base: PathBase): unknown {
  if (typeof value === "string") return kind.parse(value, base);
  const { list } = kind;
  if ("unusable" in value && kind.type === "mapping" && value.entries && list) return list.read(value.entries, base);
  if ("unusable" in value || !list) throw new BadValue(`use ${kind.allowed}`);
  return list.read(source.from === "flag" ? value.flatMap((text) => list.split(text)) : value, base);
}

function shown(value: FileValue): string {
  return typeof value === "object" && "unusable" in value ? value.unusable : `'${String(value).slice(0, 80)}'`;
}

/** The source as errors name it; the name of the flag or variable stands beside it. */
export function placeOf(source: Source): string {
  return { default: "defaults", file: source.name, environment: "environment", flag: "command line" }[source.from];
}

function unknown(source: string, name: string, known: readonly string[]): ShimmyError {
  const near = nearest(name, known);
  const allowed = `${near ? `Did you mean '${near}'? ` : ""}Allowed are ${known.join(", ")}.`;
  return new ShimmyError("unknown_setting", { source, name, allowed });
}
