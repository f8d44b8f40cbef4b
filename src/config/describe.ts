/**
 * The table and a configuration as people see them: rows for `shimmy config`, flags for the CLI, fields for the start-up log.
 * Secrets leave this file as a mask only.
 */
import { type LoadedConfig, MASK, type Source } from "./load.ts";
import { CONFIG_FILE, type CommandName, SETTING_KEYS, SETTINGS, type Setting, type SettingKey } from "./table.ts";

export interface ConfigRow {
  readonly key: SettingKey;
  /** As a flag, a variable or the file would spell it. */
  readonly value: string;
  /** "default", or what named the value: `--port`, `SHIMMY_PORT`, the path of the file. */
  readonly source: string;
}

/** One row for each setting, in the order of the table. */
export function describe({ config, sources }: Pick<LoadedConfig, "config" | "sources">): ConfigRow[] {
  return SETTING_KEYS.map((key) => ({ key, value: printed(SETTINGS[key], config[key]), source: sourceText(sources[key]) }));
}

/** What differs from the defaults, for the start-up line of the log. */
export function changedSettings(loaded: Pick<LoadedConfig, "config" | "sources">): Readonly<Record<string, string>> {
  const rows = describe(loaded).filter(({ key }) => loaded.sources[key].from !== "default");
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

/** The value as it would be written in a file; a secret that is set is a mask. */
export function printed(setting: Setting<unknown>, value: unknown): string {
  const text = setting.kind.format(value);
  return setting.secret && text !== "" ? MASK : text;
}

function sourceText(source: Source): string {
  return source.from === "default" ? "default" : source.name;
}

export interface FlagSpec {
  /** Key in the record that `loadConfig` takes: `modelDirs`, or `config` for the file itself. */
  readonly key: SettingKey | typeof CONFIG_FILE.key;
  /** For commander: `--ctx <tokens>`, `--no-embedded-model`. */
  readonly syntax: string;
  readonly description: string;
  /** May be given more than once; the values are a list. */
  readonly repeatable: boolean;
  /** Works, but help does not show it: the other half of a switch. */
  readonly hidden: boolean;
}

/**
 * The flags of a command. A switch comes as both `--x` and `--no-x`, so that a flag can also undo the file; the half that
 * repeats the default is hidden. `--x` precedes `--no-x`, which keeps commander from inventing a default.
 */
export function flagsFor(command: CommandName): FlagSpec[] {
  const file: FlagSpec = {
    key: CONFIG_FILE.key,
    syntax: `--${CONFIG_FILE.flag} ${CONFIG_FILE.placeholder}`,
    description: `${CONFIG_FILE.help} [${CONFIG_FILE.env}]`,
    repeatable: false,
    hidden: false,
  };
  const keys = SETTING_KEYS.filter((key) => command === "config" || SETTINGS[key].commands.includes(command));
  return [...keys.flatMap(flagsOf), file];
}

function flagsOf(key: SettingKey): FlagSpec[] {
  const setting = SETTINGS[key];
  if (setting.flag === undefined) return [];
  const spec = { key, description: description(setting), repeatable: setting.kind.list !== undefined, hidden: false };
  if (setting.kind.type !== "boolean") return [{ ...spec, syntax: `--${setting.flag} ${setting.kind.placeholder}` }];
  const on = { ...spec, syntax: `--${setting.flag}`, hidden: setting.default === true };
  const off = { ...spec, syntax: `--no-${setting.flag}`, hidden: setting.default === false };
  return [on, setting.default === true ? { ...off, description: `Do not: ${lowerFirst(off.description)}` } : off];
}

function description(setting: Setting<unknown>): string {
  const value = setting.kind.type === "boolean" ? "" : printed(setting, setting.default);
  const [env] = setting.env;
  const notes = [value && `default ${value}`, env].filter(Boolean).join("; ");
  return `${setting.help} [${notes}]`;
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
