/** How each contestant is started: our CLI's contract and the reference script's. The only file of bench/ that knows their flags. */
import { type Command, freePort } from "./process.ts";

export const CONTESTANTS = ["ours", "ours-separate", "ours-unified", "reference", "bare", "bare-unified"] as const;
export type Contestant = (typeof CONTESTANTS)[number];

export interface ServeOptions {
  /** Path of the GGUF. */
  readonly model: string;
  /** Requests decoded at once. */
  readonly slots: number;
  /** KV cells of one of them. */
  readonly context: number;
  /** More flags, as they are. */
  readonly flags: readonly string[];
  /** Ours only: healthy is when the model is loaded. llama-server is always like that. */
  readonly preload: boolean;
}

const KV_FLAGS: Readonly<Partial<Record<Contestant, readonly string[]>>> = {
  "ours-separate": ["--kv", "separate"],
  "ours-unified": ["--kv", "unified"],
};

export const REFERENCE_SCRIPT = "../shared/tools/reference-server.sh";

/** `dist/cli.js` of the working directory, as a user would start it: the build's own Node flags, none of ours. */
export function oursCommand(name: Contestant, options: ServeOptions): Command {
  const { model, slots, context } = options;
  const serve = ["serve", "--bind", "127.0.0.1:0", "--model-path", model, "--ctx", String(context), "--parallel", String(slots)];
  const rest = [...(KV_FLAGS[name] ?? []), "--no-embedded-model", ...(options.preload ? ["--preload", "default"] : []), ...options.flags];
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
export async function referenceCommand({ model, slots, context, flags }: ServeOptions): Promise<Command> {
  const port = String(await freePort());
  return {
    name: "reference",
    file: "bash",
    args: [REFERENCE_SCRIPT, "serve", port, String(slots), String(slots * context), model, ...flags],
    url: `http://127.0.0.1:${port}`,
  };
}

export function bareHttpCommand(): Command {
  return { name: "bare-http", file: process.execPath, args: ["bench/bare-http.mjs"] };
}
