/** Which models a server that runs on this machine has loaded. Called by the commands that only read; no server is no failure. */
import { request } from "node:http";
import { isLoopback, listenAddress } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";

/** Time for a busy machine; whatever else has the port must not hold a command up for ever. */
const TIMEOUT_MS = 2000;
const MAX_ANSWER_BYTES = 16 * 1024 ** 2;

/** Id → state, from the configured address if it is this machine's; undefined: no Shimmy answers there. */
export async function statesOfServer(loaded: LoadedConfig): Promise<ReadonlyMap<string, string> | undefined> {
  const { host, port } = listenAddress(loaded);
  if (!isLoopback(host) || port === 0) return undefined;
  const [key] = [...loaded.config.apiKey, ...loaded.config.strictKeys];
  const body = await get({ host, port, path: "/api/models", headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  return body === undefined ? undefined : statesIn(body);
}

function get(options: { host: string; port: number; path: string; headers: Record<string, string> }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request({ ...options, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) call.destroy();
      });
      response.once("end", () => resolve(response.statusCode === 200 ? text : undefined));
      response.once("close", () => resolve(undefined));
    });
    call.once("error", () => resolve(undefined));
    call.end();
  });
}

function statesIn(body: string): ReadonlyMap<string, string> | undefined {
  try {
    const { models } = JSON.parse(body) as { models?: unknown };
    if (!Array.isArray(models)) return undefined;
    const pairs = models.map((model: { name?: unknown; state?: unknown } | null) => [model?.name, model?.state]);
    return new Map(pairs.filter((pair): pair is [string, string] => pair.every((text) => typeof text === "string")));
  } catch {
    return undefined; // something else listens there
  }
}
