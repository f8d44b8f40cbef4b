/** `shimmy load`: has a running server load a model. */
import type { LoadedConfig } from "../config/load.ts";
import type { WireStatus } from "../server/api/lifecycle.ts";
import { printJson } from "./output.ts";
import { modelPath, remote } from "./remote.ts";

interface Flags {
  url?: string;
  json?: boolean;
  keepAlive?: string;
}

export async function load(loaded: LoadedConfig, name: string, { url, json, keepAlive }: Flags): Promise<void> {
  const server = remote(loaded, url);
  const body = keepAlive === undefined ? {} : { keep_alive: keepAlive };
  const status = (await server.ask("POST", modelPath(name, "load"), body)) as WireStatus;
  if (json) printJson(status);
  else process.stdout.write(`${status.model} is loaded (context ${status.context_length} tokens, ${status.slots ?? 1} slots)\n`);
}
