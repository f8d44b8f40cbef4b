/**
 * Finds the configuration file and reads it as text values: nothing here knows the table, `load.ts` does the judging.
 * The YAML library is loaded only when there is a file, because an idle gateway has no memory to spare for it.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ShimmyError } from "../contract/errors.ts";

/** The machine as `loadConfig` sees it; tests give their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/**
 * A scalar as it is written, or a list of them; anything else is refused later, with the key's name, but that a mapping of scalars can be
 * read as `name=value` entries by the settings that have such.
 */
export type FileValue = string | readonly string[] | { readonly unusable: string; readonly entries?: readonly string[] };

/** A condition, or `when` with what goes with it (`labels` is a mapping of its own); all as they are written. */
export type AlertSpec = string | Readonly<Record<string, string | Readonly<Record<string, string>>>>;

export interface ConfigFile {
  readonly path: string;
  /** Relative paths in the file start here. */
  readonly folder: string;
  readonly values: ReadonlyMap<string, FileValue>;
  /** The `alerts:` block by name; only its shape is checked here. */
  readonly alerts: Readonly<Record<string, AlertSpec>>;
}

const NAMES = ["shimmy.yaml", "shimmy.yml"];

/**
 * The file to read: the named one, else the first that exists of shimmy.yaml and shimmy.yml in the working directory and in
 * the user's configuration folder ($XDG_CONFIG_HOME/shimmy or ~/.config/shimmy, %APPDATA%\shimmy on Windows).
 */
export function findConfigFile(named: string | undefined, around: Surroundings): string | undefined {
  if (named !== undefined)
    return resolve(
      around.cwd,
      named.replace(/^~(?=$|[/\\])/, () => around.home),
    );
  const folders = [around.cwd, ...userFolders(around)];
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
}

function userFolders({ env, home, platform }: Surroundings): string[] {
  if (platform === "win32") return [join(env.APPDATA || join(home, "AppData", "Roaming"), "shimmy")];
  const xdg = join(env.XDG_CONFIG_HOME || join(home, ".config"), "shimmy");
  return platform === "darwin" ? [xdg, join(home, "Library", "Application Support", "shimmy")] : [xdg];
}

/** @throws config_file if it cannot be read or is not YAML of the expected shape. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const root = await parseYaml(path, quoteConditions(readText(path)));
  const { shimmy_config: block, alerts, ...top } = root;
  if (block !== undefined && block !== "" && !isMapping(block)) throw unreadable(path, "shimmy_config must hold keys and values");
  const values = new Map<string, FileValue>();
  for (const [key, value] of [...Object.entries(top), ...(isMapping(block) ? Object.entries(block) : [])]) {
    if (values.has(key)) throw unreadable(path, `${key} stands both inside and outside of shimmy_config`);
    values.set(key, fileValue(value));
  }
  return { path, folder: dirname(path), values, alerts: readAlerts(path, alerts) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "it cannot be opened";
    throw unreadable(path, code === "ENOENT" ? "there is no such file" : code, error);
  }
}

async function parseYaml(path: string, text: string): Promise<Readonly<Record<string, unknown>>> {
  // By its default export: that is all a split esbuild bundle keeps of a CommonJS library.
  const { LineCounter, parseDocument } = (await import("yaml")).default;
  const lineCounter = new LineCounter();
  // failsafe: scalars stay the text they are (a key of digits, a port, `on`), and the table alone decides what they mean.
  const document = parseDocument(text, { schema: "failsafe", lineCounter, prettyErrors: false });
  // An unresolved tag is a warning there, but here it is a value that would silently lose a part.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw unreadable(path, `line ${lineCounter.linePos(problem.pos[0]).line}: ${withoutContent(problem.message)}`);
  const root: unknown = toPlain(path, document);
  if (root === null || root === undefined || root === "") return {};
  if (!isMapping(root)) throw unreadable(path, "line 1: it must hold keys and values (key: value)");
  return root;
}

function toPlain(path: string, document: { toJS(): unknown }): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An unresolved or exploding alias is only found here, and the library's message spells its name.
    throw unreadable(path, "an alias (*name) in it cannot be resolved", error);
  }
}

/** The library quotes the text at fault, which may be a key: keep its sentence, drop the quotation. */
function withoutContent(message: string): string {
  return message.replace(/:? (?:\\|%\S).*$|: .*$/s, "").replace(/"[^"]*"/g, "this");
}

/**
 * `startup_time: >2s` is how the template writes alerts, but in YAML a value that begins with `>` is a folded block whose
 * header "2s" is an error. So inside the top-level `alerts:` block such values are put in quotes, line by line, before YAML
 * sees them (line numbers stay). A bare `>`, `>-` or `>+` is left to YAML: it is a folded block, and nothing else. The same goes for
 * `{when: >5s, window: 5m}`, and for `!=`, which YAML takes for a tag.
 */
export function quoteConditions(text: string): string {
  let inAlerts = false;
  return text
    .split(/\r?\n/)
    .map((line) => {
      if (/^[^\s#]/.test(line)) inAlerts = /^alerts\s*:/.test(line);
      if (!inAlerts) return line;
      const match = /^(\s+[^\s:#][^:]*:\s+)((?:>(?!\s*[+-]?\s*(?:#.*)?$)|!=).*?)(\s+#.*|\s*)$/.exec(line);
      if (match) return match[1] + quoted(match[2]!) + match[3];
      return line.replace(
        /([{,]\s*when:\s+)((?:>|!=)[^,{}"'#]*?)(?=\s*[,}])/g,
        (_, key: string, condition: string) => key + quoted(condition),
      );
    })
    .join("\n");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function readAlerts(path: string, alerts: unknown): Readonly<Record<string, AlertSpec>> {
  if (alerts === undefined || alerts === "") return Object.freeze({});
  const wrong = (name: string, reason: string) =>
    new ShimmyError("invalid_setting", { source: path, name, value: "its value", reason: `use ${reason}` });
  if (!isMapping(alerts)) throw wrong("alerts", "names with conditions, such as error_rate: >5%");
  for (const [name, condition] of Object.entries(alerts)) {
    const { labels = {}, ...rest } = isMapping(condition) ? condition : { when: condition };
    if (!isMapping(labels)) throw wrong(`alerts.${name}.labels`, "names with values, such as team: search");
    if ([...Object.values(rest), ...Object.values(labels)].some((part) => typeof part !== "string" || part === ""))
      throw wrong(`alerts.${name}`, 'a condition such as >5%, or {when: ">5%", window: 5m, for: 1m}');
  }
  return Object.freeze({ ...alerts }) as Readonly<Record<string, AlertSpec>>;
}

function fileValue(value: unknown): FileValue {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  if (value === null) return "";
  if (Array.isArray(value)) return { unusable: "a list of lists or mappings" };
  const pairs = Object.entries(isMapping(value) ? value : {});
  const readable = pairs.every(([name, item]) => !name.includes("=") && typeof item === "string");
  return { unusable: "a mapping", ...(readable && { entries: pairs.map(([name, item]) => `${name}=${String(item)}`) }) };
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(path: string, reason: string, cause?: unknown): ShimmyError {
  return new ShimmyError("config_file", { path, reason }, { cause });
}
