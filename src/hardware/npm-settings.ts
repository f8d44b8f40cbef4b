/**
 * Which registry npm would ask here, and with which credentials: npm_config_* variables, then .npmrc of the folder, of the user and of
 * the installation (docs.npmjs.com/cli/configuring-npm/npmrc). Called by registry.ts. What it cannot follow itself (a proxy, another
 * certificate authority) it only tells, so that npm can be asked to do the work.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export interface NpmSettings {
  /** Ends in a slash. */
  readonly registry: URL;
  /** The Authorization header for the registry itself. */
  readonly authorization?: string;
  /** Why npm must do it: a proxy or certificates are set. */
  readonly needsNpm?: string;
}

export interface NpmSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  /** Text of a file, or undefined when it cannot be read. */
  readonly read: (path: string) => string | undefined;
  /** Of node: the global npmrc lies beside it. */
  readonly execPath: string;
}

const DEFAULT_REGISTRY = "https://registry.npmjs.org/";

export function npmSettings(scope: string, given: Partial<NpmSurroundings> = {}): NpmSettings {
  const around = { env: process.env, cwd: process.cwd(), home: homedir(), read: readText, execPath: process.execPath, ...given };
  const value = lookup(around);
  const written = value(`${scope}:registry`) ?? value("registry") ?? DEFAULT_REGISTRY;
  const registry = new URL(written.endsWith("/") ? written : `${written}/`);
  const authorization = authorizationFor(registry, value);
  const concerned = registry.protocol === "https:" ? HTTPS_WAYS : HTTP_WAYS;
  const needsNpm = concerned.settings.find((name) => filled(value(name))) ?? concerned.variables.find((name) => filled(around.env[name]));
  return {
    registry,
    ...(authorization !== undefined && { authorization }),
    ...(needsNpm !== undefined && { needsNpm: `${needsNpm} is set` }),
  };
}

/** What stands between here and a registry, by npm's names and those of the environment. */
const HTTPS_WAYS = {
  settings: ["https-proxy", "proxy", "cafile", "ca"],
  variables: ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"],
};
const HTTP_WAYS = { settings: ["proxy"], variables: ["HTTP_PROXY", "http_proxy"] };

type Lookup = (name: string) => string | undefined;

function lookup({ env, cwd, home, read, execPath }: NpmSurroundings): Lookup {
  const variables = new Map(Object.entries(env).map(([name, value]) => [name.toLowerCase(), value]));
  const userFile = variables.get("npm_config_userconfig") ?? join(home, ".npmrc");
  const globalFile = variables.get("npm_config_globalconfig") ?? join(dirname(dirname(execPath)), "etc", "npmrc");
  const files = [join(cwd, ".npmrc"), userFile, globalFile].map((path) => entriesOf(read(path) ?? "", env));
  // In variables a dash is an underscore; names of scopes and hosts stay as they are.
  return (name) =>
    variables.get(`npm_config_${name.replaceAll("-", "_").toLowerCase()}`) ??
    variables.get(`npm_config_${name.toLowerCase()}`) ??
    files.find((entries) => entries.has(name))?.get(name);
}

/** The lines `name = value` of an .npmrc; `${NAME}` is a variable of the environment. */
function entriesOf(text: string, env: NpmSurroundings["env"]): Map<string, string> {
  const lines = text.split(/\r?\n/).map((line) => /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line));
  return new Map(
    lines.flatMap((match) => {
      if (!match) return [];
      const value = match[2]!.replace(/^"(.*)"$/, "$1").replace(/\$\{([^}]+)\}/g, (whole, name: string) => env[name] ?? whole);
      return [[match[1]!, value] as const];
    }),
  );
}

/** Credentials stand under the registry's address or that of a folder above it. */
function authorizationFor(registry: URL, value: Lookup): string | undefined {
  for (let path = registry.pathname; ; path = path.replace(/[^/]*\/$/, "")) {
    const nerfed = `//${registry.host}${path}`;
    const token = value(`${nerfed}:_authToken`);
    if (filled(token)) return `Bearer ${token}`;
    const basic = value(`${nerfed}:_auth`);
    if (filled(basic)) return `Basic ${basic}`;
    if (path === "/" || path === "") return undefined;
  }
}

function filled(value: string | undefined): value is string {
  return value !== undefined && value !== "" && value !== "null";
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // not there
  }
}
