/** Talks to a running server over HTTP, for the commands that ask it something. It must not know what they ask. */

import { hostPort } from "../config/kinds.ts";
import { listenAddress } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";
import { encodedPath } from "../contract/encoded-path.ts";
import { ShimmyError } from "../contract/errors.ts";

export interface Remote {
  readonly url: string;
  /** JSON in, a JSON object out. @throws server_unreachable, server_refused, key_refused */
  ask(method: "GET" | "POST", path: string, body?: unknown): Promise<unknown>;
  /** Anything in, anything out. The answer is a good one. @throws as `ask` does */
  send(path: string, init?: RequestInit): Promise<Response>;
}

/** @param url absent: where this configuration would listen. */
export function remote(loaded: LoadedConfig, url: string | undefined): Remote {
  const base = url === undefined ? configuredUrl(loaded) : addressOf("--url", url);
  const [key] = [...loaded.config.apiKey, ...loaded.config.strictKeys];
  const send = async (path: string, init: RequestInit = {}) => {
    const headers = { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) };
    const response = await fetch(base + path, { ...init, headers }).catch((cause: unknown) => {
      throw new ShimmyError("server_unreachable", { url: base, reason: reasonOf(cause) }, { cause });
    });
    if (response.ok) return response;
    const { status } = response;
    const message = messageIn(await response.text());
    if (status === 401 || status === 403)
      throw new ShimmyError("key_refused", { url: base, status, message: message ?? "it says no more" });
    if (message === undefined) throw noShimmy(base, `, it answered ${status}`);
    throw new ShimmyError("server_refused", { url: base, status, message });
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

/**
 * Where paths are appended: without /v1, for that is how clients of OpenAI's API name a server. @throws invalid_value, which tells no password
 * @param flag what was typed, as in --url
 */
export function addressOf(flag: string, typed: string): string {
  const url = URL.canParse(typed) ? new URL(typed) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new ShimmyError("invalid_value", { param: flag, reason: "that is no URL; it must be one such as http://127.0.0.1:11435" });
  if (url.username !== "" || url.password !== "")
    throw new ShimmyError("invalid_value", { param: flag, reason: "it must not hold a password; the API key is given by --api-key" });
  return (url.origin + url.pathname).replace(/\/+$/, "").replace(/\/v1$/, "");
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

/** A list or a number is the answer of something else, as a file of JSON is. */
function parsed(text: string, url: string): object {
  const value = jsonOf(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw noShimmy(url);
}

/** @param more what it said, if anything */
export function noShimmy(url: string, more = ""): ShimmyError {
  return new ShimmyError("server_unreachable", { url, reason: `what answers there is no Shimmy${more}` });
}

/** What an error of an API like OpenAI's says; undefined: it is none, such as the page of another web server. */
function messageIn(text: string): string | undefined {
  const { error } = (jsonOf(text) ?? {}) as { error?: { message?: unknown } };
  return typeof error?.message === "string" ? error.message : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A model's path on the server; slashes of its name stay. */
export function modelPath(name: string, word: string): string {
  return `/api/models/${encodedPath(name)}/${word}`;
}
