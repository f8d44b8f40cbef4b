/** What a row of the table of settings is, and which commands show its flag. Used by `table.ts` and the files of rows that it gathers. */
import type { Kind } from "./kinds.ts";

/** Commands of the CLI that read settings. */
export type CommandName =
  | "serve"
  | "list"
  | "show"
  | "cp"
  | "discover"
  | "run"
  | "generate"
  | "embed"
  | "probe"
  | "pull"
  | "rm"
  | "ps"
  | "load"
  | "unload"
  | "batch"
  | "verify"
  | "validate"
  | "bench"
  | "doctor"
  | "gpu-info"
  | "init"
  | "plan"
  | "alerts"
  | "config";

export interface Setting<T> {
  readonly kind: Kind<T>;
  /** Must fit the kind, never widen it. */
  readonly default: NoInfer<T>;
  /** Without the dashes; absent: there is no flag. */
  readonly flag?: string;
  /** The first is ours, the others are names of the Rust original and of its documents. */
  readonly env: readonly string[];
  /** Key in the file. */
  readonly file: string;
  /** One sentence for `--help` and the documentation. */
  readonly help: string;
  /** Never printed, not even in errors. */
  readonly secret?: true;
  /** Commands whose help shows the flag; `config` has all of them. */
  readonly commands: readonly CommandName[];
}

/** The server, and the commands that judge or measure what it would do. */
export const SERVE = ["serve", "validate", "doctor", "bench"] as const;
/** The server, and the commands that talk to it. */
export const CONNECTING = [...SERVE, "ps", "load", "unload", "batch", "alerts"] as const;
export const LISTING = [...SERVE, "list", "show", "cp", "discover", "run", "generate", "embed", "probe", "verify", "init", "plan"] as const;
export const ENGINE = [...SERVE, "run", "generate", "embed", "probe", "init", "plan"] as const;

/** Gives a row the type of its kind. */
export function setting<T>(entry: Setting<T>): Setting<T> {
  return entry;
}
