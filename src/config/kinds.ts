/**
 * The kinds of value a setting can have: each reads the text of a flag, a variable or a file and prints it back.
 * Used by the table only. A kind knows neither the name nor the source of a value; `load.ts` adds both to the error.
 * Law, held by a property test: `parse(format(value))` is the value again.
 */
import { isIPv6 } from "node:net";
import { delimiter, resolve } from "node:path";
import { KEEP_FOREVER, keepAliveMs } from "../contract/keep-alive.ts";

/** Where relative paths of a value start, and what `~` stands for. */
export interface PathBase {
  readonly folder: string;
  readonly home: string;
}

/** A value is refused; the message says what is allowed instead. */
export class BadValue extends Error {
  override readonly name = "BadValue";
}

export interface Kind<T> {
  readonly type: "text" | "boolean" | "integer" | "duration" | "bytes" | "choice" | "path" | "address" | "list" | "mapping";
  /** What `--help` shows after the flag: `<tokens>`. */
  readonly placeholder: string;
  /** What is allowed, as the end of the sentence "Use …". */
  readonly allowed: string;
  /** @throws BadValue */
  parse(text: string, base: PathBase): T;
  /** Lists only: the two halves of `parse`. A YAML list needs no splitting, each text of a repeated flag does. */
  readonly list?: {
    split(text: string): readonly string[];
    /** @throws BadValue */
    read(items: readonly string[], base: PathBase): T;
  };
  format(value: T): string;
}

/** Any kind of value that may be absent: empty text is absence. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return {
    ...kind,
    parse: (text, base) => (text === "" ? undefined : kind.parse(text, base)),
    format: (value) => (value === undefined ? "" : kind.format(value)),
  };
}

export function text(placeholder: string): Kind<string> {
  return {
    type: "text",
    placeholder: `<${placeholder}>`,
    allowed: "any text that is not empty",
    parse: (raw) => (raw.trim() === "" ? refuse("any text that is not empty") : raw.trim()),
    format: (value) => value,
  };
}

const TRUE = ["true", "1", "yes", "on"];
const FALSE = ["false", "0", "no", "off"];

export const boolean: Kind<boolean> = {
  type: "boolean",
  placeholder: "",
  allowed: "true or false",
  parse(raw) {
    const word = raw.trim().toLowerCase();
    if (TRUE.includes(word)) return true;
    if (FALSE.includes(word)) return false;
    return refuse("true or false");
  },
  format: String,
};

/** A whole number from `min` to `max`. `zero` is the word for 0, where 0 means "choose" or "without limit". */
export function integer(placeholder: string, min: number, max: number, zero?: string): Kind<number> {
  const range =
    zero === undefined ? `a whole number from ${min} to ${max}` : `${zero}, or a whole number from ${Math.max(min, 1)} to ${max}`;
  return {
    type: "integer",
    placeholder: `<${placeholder}>`,
    allowed: range,
    parse(raw) {
      const word = raw.trim();
      if (zero !== undefined && (word === zero || word === "0")) return 0;
      const value = /^\d{1,15}$/.test(word) ? Number(word) : Number.NaN;
      return value >= min && value <= max ? value : refuse(range);
    },
    format: (value) => (value === 0 && zero !== undefined ? zero : String(value)),
  };
}

const DURATIONS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const LONGEST_TIMER = 2_147_483_647; // setTimeout fires at once for more

/** Milliseconds. A number without a unit is seconds. */
export const duration: Kind<number> = {
  type: "duration",
  placeholder: "<time>",
  allowed: "a time such as 500ms, 30s, 5m or 2h (a plain number is seconds), at most 24 days",
  parse(raw) {
    const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)?$/.exec(raw.trim());
    const value = match ? Math.round(Number(match[1]) * DURATIONS[(match[2] ?? "s") as keyof typeof DURATIONS]) : Number.NaN;
    return value <= LONGEST_TIMER ? value : refuse(duration.allowed);
  },
  format: (value) => withUnit(value, DURATIONS),
};

/** Milliseconds, 0 or KEEP_FOREVER; spelled as the request field `keep_alive`. */
export const keepAlive: Kind<number> = {
  type: "duration",
  placeholder: "<time>",
  allowed: "a time such as 30s, 5m or 1h30m (a plain number is seconds), 0 for at once, or -1 for never",
  parse: (raw) => keepAliveMs(raw) ?? refuse(keepAlive.allowed),
  format: (value) => (value === KEEP_FOREVER ? "-1" : value % DURATIONS.d === 0 ? `${value / DURATIONS.h}h` : duration.format(value)),
};

const SIZES = { TB: 1024 ** 4, GB: 1024 ** 3, MB: 1024 ** 2, KB: 1024, B: 1 } as const;

/** Bytes. Units are powers of 1024, as memory is sold: 1 MB and 1 MiB are both 1,048,576 bytes. */
export const bytes: Kind<number> = {
  type: "bytes",
  placeholder: "<size>",
  allowed: "a size such as 512KB, 32MB or 2GB (a plain number is bytes)",
  parse(raw) {
    const match = /^(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?$/i.exec(raw.trim());
    if (!match) return refuse(bytes.allowed);
    const unit = `${(match[2] ?? "").toUpperCase()}B` as keyof typeof SIZES;
    const value = Math.round(Number(match[1]) * SIZES[unit]);
    return value > 0 && value <= Number.MAX_SAFE_INTEGER ? value : refuse(bytes.allowed);
  },
  format: (value) => withUnit(value, SIZES),
};

/** Undefined is "auto". */
export function orAuto<T>(kind: Kind<T>): Kind<T | undefined> {
  const allowed = `auto, or ${kind.allowed}`;
  return {
    ...kind,
    placeholder: `<auto|${kind.placeholder.slice(1)}`,
    allowed,
    parse(raw, base) {
      if (raw.trim().toLowerCase() === "auto") return undefined;
      try {
        return kind.parse(raw, base);
      } catch (error) {
        throw error instanceof BadValue ? new BadValue(`use ${allowed}`) : error;
      }
    },
    format: (value) => (value === undefined ? "auto" : kind.format(value)),
  };
}

/** Bytes that may be spent; 0 is none. */
export const allowance: Kind<number> = {
  ...bytes,
  allowed: `${bytes.allowed}, or 0 for none`,
  parse: (raw, base) => (raw.trim() === "0" ? 0 : bytes.parse(raw, base)),
  format: (value) => (value === 0 ? "0" : bytes.format(value)),
};

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  const allowed = values.join(", ");
  return {
    type: "choice",
    placeholder: `<${values.join("|")}>`,
    allowed,
    parse: (raw) => values.find((value) => value === raw.trim().toLowerCase()) ?? refuse(allowed),
    format: (value) => value,
  };
}

/** An absolute path. `~` is the home folder; a relative path starts at the folder of the file that names it. */
export const path: Kind<string> = {
  type: "path",
  placeholder: "<file>",
  allowed: "a path",
  parse: (raw, base) => (raw === "" || raw.includes("\0") ? refuse(path.allowed) : absolute(raw, base)),
  format: (value) => value,
};

export type BindAddress = "auto" | { readonly host: string; readonly port: number };

/** Where to listen. An IPv6 address stands in brackets; port 0 lets the kernel choose. */
export const address: Kind<BindAddress> = {
  type: "address",
  placeholder: "<auto|host:port>",
  allowed: "auto, or HOST:PORT such as 127.0.0.1:11435, localhost:1234, [::1]:0 or 0.0.0.0:8080",
  parse(raw) {
    if (raw.trim().toLowerCase() === "auto") return "auto";
    const match = /^(?:\[([^\]]+)\]|([a-z\d](?:[a-z\d._-]*[a-z\d])?)):(\d{1,5})$/i.exec(raw.trim());
    const host = isIPv6(match?.[1] ?? "") ? match?.[1] : match?.[2];
    const port = Number(match?.[3]);
    return host !== undefined && port <= 65_535 ? Object.freeze({ host, port }) : refuse(address.allowed);
  },
  format: (value) => (value === "auto" ? value : hostPort(value.host, value.port)),
};

/** `host:port` as a URL spells it. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Folders or files in one text: `;` separates on every system (as in the Rust original); where there is none, the
 * separator of PATH does. A single path with that separator in its name is therefore written with a `;` at its end.
 */
export function paths(separator: string = delimiter): Kind<readonly string[]> {
  const split = (raw: string) => pieces(raw, raw.includes(";") ? ";" : separator);
  const read = (items: readonly string[], base: PathBase): readonly string[] => {
    if (items.some((item) => item === "" || item.includes(";") || item.includes("\0"))) return refuse("paths without ';' in their names");
    return Object.freeze(items.map((item) => absolute(item, base)));
  };
  return {
    type: "list",
    placeholder: "<dirs>",
    allowed: "one path, or several separated by ';' or as PATH does",
    list: { split, read },
    parse: (raw, base) => read(split(raw), base),
    format: (value) => (value.length === 1 && value[0]?.includes(separator) ? `${value[0]};` : value.join(";")),
  };
}

/** Comma-separated words that all match `pattern`; `each` says in words what that is. */
export function words(placeholder: string, pattern: RegExp, each: string): Kind<readonly string[]> {
  const allowed = `${each}, several separated by commas`;
  const split = (raw: string) => pieces(raw, ",");
  const read = (items: readonly string[]): readonly string[] =>
    items.every((item) => pattern.test(item) && !item.includes(",")) ? Object.freeze([...items]) : refuse(allowed);
  return {
    type: "list",
    placeholder: `<${placeholder}>`,
    allowed,
    list: { split, read },
    parse: (raw) => read(split(raw)),
    format: (value) => value.join(","),
  };
}

/**
 * Comma-separated `name=value` pairs; in the file they may also be a mapping. A name has no space and at most one `*`, and is none
 * of `reserved`. Of two pairs of one name the later wins.
 */
export function assignments(placeholder: string, each: string, reserved: readonly string[]): Kind<Readonly<Record<string, string>>> {
  const allowed = `${each}, several separated by commas; ${reserved.join(" and ")} cannot be renamed`;
  const split = (raw: string) => pieces(raw, ",");
  const read = (items: readonly string[]): Readonly<Record<string, string>> => {
    const pairs = items.map((item) => /^([^\s=,*]*\*?[^\s=,*]*)\s*=\s*([^,]*[^\s,])\s*$/u.exec(item));
    const wrong = (pair: RegExpExecArray | null) =>
      !pair?.[1] || pair[1].length > 128 || /\p{C}/u.test(pair[0]) || reserved.includes(pair[1].toLowerCase());
    if (pairs.some(wrong)) return refuse(allowed);
    return Object.freeze(Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!.trim()])));
  };
  return {
    type: "mapping",
    placeholder: `<${placeholder}>`,
    allowed,
    list: { split, read },
    parse: (raw) => read(split(raw)),
    format: (value) =>
      Object.entries(value)
        .map(([name, target]) => `${name}=${target}`)
        .join(","),
  };
}

export function pieces(raw: string, separator: string): string[] {
  return raw
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** From the folder of the source, or from the home folder. */
export function absolute(raw: string, base: PathBase): string {
  return resolve(
    base.folder,
    raw.replace(/^~(?=$|[/\\])/, () => base.home),
  );
}

function withUnit(value: number, units: Readonly<Record<string, number>>): string {
  const unit = Object.keys(units).find((name) => value >= (units[name] ?? 1) && value % (units[name] ?? 1) === 0);
  return unit === undefined ? String(value) : `${value / (units[unit] ?? 1)}${unit}`;
}

/** @throws BadValue */
export function refuse(allowed: string): never {
  throw new BadValue(`use ${allowed}`);
}
