/** `shimmy unload`: has a running server let a model go; its memory is the system's again when this returns. */
import type { LoadedConfig } from "../config/load.ts";
import { size } from "../contract/byte-size.ts";
import { printJson } from "./output.ts";
import { modelPath, remote } from "./remote.ts";

interface Flags {
  url?: string;
  json?: boolean;
  force?: boolean;
}

interface Answer {
  readonly model: string;
  readonly unloaded: boolean;
  readonly freed_bytes?: number;
}

export async function unload(loaded: LoadedConfig, name: string, { url, json, force }: Flags): Promise<void> {
  const server = remote(loaded, url);
  const answer = (await server.ask("POST", modelPath(name, "unload"), force ? { force: true } : {})) as Answer;
  if (json) return printJson(answer);
  const freed = answer.freed_bytes === undefined ? "" : ` (${size(answer.freed_bytes)} given back)`;
  process.stdout.write(answer.unloaded ? `${answer.model} is unloaded${freed}\n` : `${answer.model} was not loaded\n`);
}
