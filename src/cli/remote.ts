/** Talks to a running server over HTTP, for the commands that ask it something. It must not know what they ask. */

import { hostPort } from "../config/kinds.ts";
import { listenAddress } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";

export interface Remote {
  readonly url: string;
  /** JSON in, JSON out. @throws server_unreachable, server_refused */
  ask(method: "GET" | "POST", path: string, body?: unknown): Promise<unknown>;
  /** Anything in, anything out. The answer is a good one. @throws as `ask` does */
  send(path: string, init?: RequestInit): Promise<Response>;
}

/** @param url absent: where this configuration would listen. */
export function remote(loaded: LoadedConfig, url: string | undefined): Remote {
  const base = (url ?? configuredUrl(loaded)).replace(/\/+$/, "");
  if (!URL.canParse(base)) throw new ShimmyError("server_unreachable", { url: base, reason: "that is no URL" });
  const [key] = [...loaded.config.apiKey, ...loaded.config.strictKeys];
  const send = async (path: string, init: RequestInit = {}) => {
    const headers = { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) };
    const response = await fetch(base + path, { ...init, headers }).catch((cause: unknown) => {
      throw new ShimmyError("server_unreachable", { url: base, reason: reasonOf(cause) }, { cause });
    });
    if (response.ok) return response;
    throw new ShimmyError("server_refused", { url: base, status: response.status, message: messageIn(await response.text()) });
  };
  return {
    url: base,
    send,
    ask: async (method, path, body) => {
      const json = body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      return parsed(await (await send(path, { method, ...json })).text(), base);
    },
  };
}

function configuredUrl(loaded: LoadedConfig): string {
  const { host, port } = listenAddress(loaded);
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${hostPort(reachable, port)}`;
}

/** `fetch` says only that it failed; its cause knows why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ShimmyError("server_unreachable", { url, reason: "what answers there is no Shimmy" }, { cause });
  }
}

function messageIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof error?.message === "string" ? error.message : text.slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}

/** A model's path on the server; slashes of its name stay. */
export function modelPath(name: string, word: string): string {
  return `/api/models/${name.split("/").map(encodeURIComponent).join("/")}/${word}`;
}
