/** How each contestant is started: our CLI's contract and the reference script's. The only file of bench/ that knows their flags. */
import { type Command, freePort } from "./process.ts";

export const CONTESTANTS = [
  ...(["ours", "ours-separate", "ours-unified", "ours-nospec", "ours-spec"] as const),
  ...(["reference", "reference-spec", "bare", "bare-unified"] as const),
] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** Names of settings of ours that a build may spell otherwise. */
export interface FlagNames {
  readonly speculation: string;
  readonly cacheDir: string;
}

/** For workloads about speculation: who else runs, when the first one does. */
export const WITH_AND_WITHOUT: Readonly<Partial<Record<Contestant, Contestant>>> = { ours: "ours-nospec", reference: "reference-spec" };

export interface ServeOptions {
  /** Path of the GGUF. */
  readonly model: string;
  /** Requests decoded at once. */
  readonly slots: number;
  /** KV cells of one of them. */
  readonly context: number;
  /** More flags, as they are. */
  readonly flags: readonly string[];
  /** Where it may keep its cache from one start to the next. */
  readonly cacheDir?: string;
  readonly flagNames?: FlagNames;
  /** Ours only: healthy is when the model is loaded. llama-server is always like that. */
  readonly preload: boolean;
}

/** What makes a variant of ours: flags that the default has not. */
function variantFlags(name: Contestant, { speculation, cacheDir }: FlagNames, folder: string | undefined): string[] {
  const kv = name === "ours-separate" ? ["--kv", "separate"] : name === "ours-unified" ? ["--kv", "unified"] : [];
  const spec = name === "ours-nospec" ? [speculation, "off"] : name === "ours-spec" ? [speculation, "auto"] : [];
  return [...kv, ...spec, ...(folder === undefined ? [] : [cacheDir, folder])];
}

export const FLAG_NAMES: FlagNames = { speculation: "--speculation", cacheDir: "--cache-dir" };

/** llama-server's own prompt lookup, off unless asked for. */
const REFERENCE_SPECULATION = ["--spec-type", "ngram-simple"];

export const REFERENCE_SCRIPT = "../shared/tools/reference-server.sh";

/** `dist/cli.js` of the working directory, as a user would start it: the build's own Node flags, none of ours. */
export function oursCommand(name: Contestant, options: ServeOptions): Command {
  const { model, slots, context, flagNames = FLAG_NAMES, cacheDir } = options;
  const serve = ["serve", "--bind", "127.0.0.1:0", "--model-path", model, "--ctx", String(context), "--parallel", String(slots)];
  const rest = [
    ...variantFlags(name, flagNames, cacheDir),
    "--no-embedded-model",
    ...(options.preload ? ["--preload", "default"] : []),
    ...options.flags,
  ];
  return {
    name,
    file: process.execPath,
    args: ["dist/cli.js", ...serve, ...rest],
    env: { SHIMMY_LOG_FORMAT: "json" },
  };
}

/** As installed, with nothing to serve but the embedded model: what somebody pays who has it running and does not use it. */
export function oursIdleCommand(): Command {
  return {
    name: "ours-idle",
    file: process.execPath,
    args: ["dist/cli.js", "serve", "--bind", "127.0.0.1:0"],
    env: { SHIMMY_LOG_FORMAT: "json" },
  };
}

/** The script only changes root and mounts before it execs llama-server: about 10 ms of its start-up are the script's. */
export async function referenceCommand({ model, slots, context, flags }: ServeOptions, name: Contestant = "reference"): Promise<Command> {
  const port = String(await freePort());
  const all = name === "reference-spec" ? [...REFERENCE_SPECULATION, ...flags] : flags;
  return {
    name,
    file: "bash",
    args: [REFERENCE_SCRIPT, "serve", port, String(slots), String(slots * context), model, ...all],
    url: `http://127.0.0.1:${port}`,
  };
}

export function bareHttpCommand(): Command {
  return { name: "bare-http", file: process.execPath, args: ["bench/bare-http.mjs"] };
}
