/** Where the hub is and who asks it. Called by puller.ts. The token of the Hugging Face CLI is read when it is needed, never before. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { Environment } from "./proxy.ts";

export type HubConfig = Pick<Config, "offline" | "hubEndpoint" | "hubToken" | "pullConnections">;

/** @throws invalid_setting */
export function endpointOf({ hubEndpoint }: Pick<HubConfig, "hubEndpoint">): URL {
  const url = URL.canParse(hubEndpoint) ? new URL(hubEndpoint) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "" && url.hash === "") return url;
  const reason = "use the http or https address of a hub, such as https://huggingface.co";
  throw new ShimmyError("invalid_setting", { source: "hub", name: "hub_endpoint", value: `'${hubEndpoint.slice(0, 80)}'`, reason });
}

/** The setting (HF_TOKEN), else the file that `hf auth login` writes: $HF_TOKEN_PATH, $HF_HOME/token, ~/.cache/huggingface/token. */
export async function tokenOf({ hubToken }: Pick<HubConfig, "hubToken">, env: Environment, home = homedir()): Promise<string | undefined> {
  const cache = env.XDG_CACHE_HOME || join(home, ".cache");
  const path = env.HF_TOKEN_PATH || join(env.HF_HOME || join(cache, "huggingface"), "token");
  const token = hubToken ?? (await readFile(path, "utf8").catch(() => "")).trim();
  // Anything else cannot stand in a header.
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}
