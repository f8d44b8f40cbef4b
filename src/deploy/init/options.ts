/** What a template is told, and how what was typed becomes that. Called by cli/init.ts; it must not know templates or disks. */
import { ShimmyError } from "../../contract/errors.ts";

export interface TemplateOptions {
  /** Of the service: a DNS label (RFC 1123), so it also serves as name of containers, units, files and upstreams. */
  readonly name: string;
  /** That the server listens on. */
  readonly port: number;
  /** As `shimmy pull` or `--model` take them; empty: only the embedded shimmy-tiny. */
  readonly models: readonly string[];
  /** Instances, at least 1. */
  readonly replicas: number;
  /** Of one instance, in bytes; a whole number of MiB. */
  readonly memoryBytes: number;
  /** Where `memoryBytes` comes from, for people: one sentence. */
  readonly memoryReason: string;
  /** Of one instance, at least 0.1. */
  readonly cpus: number;
  /** Of the Shimmy that writes the files. */
  readonly version: string;
}

/** The flags of `shimmy init` as typed. */
export interface InitFlags {
  readonly name?: string;
  readonly port?: string;
  readonly models?: readonly string[];
  readonly replicas?: string;
  readonly memory?: string;
  readonly cpus?: string;
}

/** Where no flag says otherwise. */
export type TemplateDefaults = Pick<TemplateOptions, "port" | "memoryBytes" | "memoryReason" | "cpus" | "version">;

const MEBIBYTE = 1024 ** 2;
const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, G: 1e9, KI: 1024, MI: MEBIBYTE, GI: 1024 ** 3 };
/** What YAML 1.1, which Kubernetes and GitHub still read, takes for a truth value or for nothing where it stands unquoted. */
const NO_TEXT_IN_YAML = /^(y|n|yes|no|on|off|true|false|null)$/;
/** Of a hub, a store or a file: nothing that a shell, YAML or a unit file would read as more than a word, or a command as a flag. */
const MODEL = /^[\w./][\w./:@+-]{0,199}$/;

/** @throws invalid_value, naming the flag */
export function templateOptions(flags: InitFlags, defaults: TemplateDefaults): TemplateOptions {
  const { name = "shimmy", models = [] } = flags;
  if (!/^[a-z]([a-z\d-]{0,61}[a-z\d])?$/.test(name)) refuse("--name", "it must be lower-case letters, digits and hyphens, a letter first");
  if (NO_TEXT_IN_YAML.test(name)) refuse("--name", "YAML reads this word as a value and not as a name");
  const words = models.flatMap((list) => list.split(",")).filter((model) => model !== "");
  for (const model of words) if (!MODEL.test(model)) refuse("--models", `'${model}' is no name of a model`);
  return {
    ...defaults,
    name,
    models: [...new Set(words)],
    port: number("--port", flags.port, defaults.port, { least: 1, most: 65_535, whole: true }),
    replicas: number("--replicas", flags.replicas, 1, { least: 1, most: 10_000, whole: true }),
    cpus: number("--cpus", flags.cpus, defaults.cpus, { least: 0.1, most: 4096, whole: false }),
    ...(flags.memory !== undefined && { memoryBytes: memory(flags.memory), memoryReason: "As it was set by --memory." }),
  };
}

/** "512M", "2Gi", "2GiB", "2gb" or bytes, rounded up to a whole MiB. @throws invalid_value */
function memory(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([KMG]?I?)B?$/i.exec(text.trim()) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit.toUpperCase()];
  const bytes = Number(digits) * (factor ?? Number.NaN);
  if (!(bytes >= 32 * MEBIBYTE && bytes <= 2 ** 50)) refuse("--memory", "it must be a size of at least 32Mi, such as 2Gi or 512M");
  return Math.ceil(bytes / MEBIBYTE) * MEBIBYTE;
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

function number(flag: string, text: string | undefined, fallback: number, { least, most, whole }: Range): number {
  if (text === undefined) return fallback;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value)))
    refuse(flag, `it must be a ${whole ? "whole " : ""}number from ${least} to ${most}`);
  return value;
}

function refuse(param: string, reason: string): never {
  throw new ShimmyError("invalid_value", { param, reason });
}
