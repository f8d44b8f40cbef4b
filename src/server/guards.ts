/**
 * Who may ask: the Host header, the browser's origin, the API key. Pure functions over headers, so that the quick path for
 * /health and the Hono application guard alike. They must not know routes or bodies.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ShimmyError } from "../contract/errors.ts";

export interface GuardSettings {
  /** Only this machine can connect: then the Host header is checked, against DNS rebinding. */
  readonly loopback: boolean;
  readonly allowedHosts: readonly string[];
  readonly corsOrigins: readonly string[];
  /** All keys that are accepted. */
  readonly apiKey: readonly string[];
  /** Those of them whose requests are never answered by another model than the one they name. */
  readonly strictKeys?: readonly string[];
}

/** A header by its lower-case name. */
export type Header = (name: string) => string | undefined;

const LOOPBACK_NAMES = new Set(["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]);

/** @throws host_not_allowed. A page on a foreign name that resolves to this machine must not read answers. */
export function checkHost(settings: GuardSettings, header: Header): void {
  if (!settings.loopback && settings.allowedHosts.length === 0) return;
  const host = header("host");
  if (host === undefined) return; // HTTP/1.0, as health checks of load balancers speak it; every browser sends one
  const name = host.replace(/:\d*$/, "").toLowerCase();
  if (LOOPBACK_NAMES.has(name) || name.endsWith(".localhost")) return;
  if (settings.allowedHosts.some((allowed) => [name, host.toLowerCase(), "*"].includes(allowed.toLowerCase()))) return;
  throw new ShimmyError("host_not_allowed", { host });
}

/**
 * Compared in constant time.
 * @returns an opaque name of the key's owner, by which nobody can find the key; undefined where no keys are asked for.
 * @throws missing_api_key, invalid_api_key
 */
export function checkKey(settings: GuardSettings, header: Header): string | undefined {
  if (settings.apiKey.length === 0) return undefined;
  const given = keyIn(header);
  if (!given) throw new ShimmyError("missing_api_key");
  if (!isOneOf(settings.apiKey, given)) throw new ShimmyError("invalid_api_key");
  return digest(`caller ${given}`).toString("hex").slice(0, 16);
}

/** Whether the caller's key is a strict one. Call it after `checkKey`. */
export function isStrict({ strictKeys = [] }: GuardSettings, header: Header): boolean {
  return strictKeys.length > 0 && isOneOf(strictKeys, keyIn(header) ?? "");
}

function keyIn(header: Header): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(header("authorization") ?? "")?.[1] ?? header("x-api-key");
}

function isOneOf(keys: readonly string[], given: string): boolean {
  // All are compared, so that the time tells nothing.
  return keys.map((key) => timingSafeEqual(digest(key), digest(given))).includes(true);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function originAllowed(settings: GuardSettings, origin: string): boolean {
  if (settings.corsOrigins.includes("*") || settings.corsOrigins.some((allowed) => allowed.toLowerCase() === origin.toLowerCase()))
    return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && (LOOPBACK_NAMES.has(hostname) || hostname.endsWith(".localhost"));
}

/**
 * Headers that let the browser's page of an allowed origin read the answer; none for other callers.
 * @throws origin_not_allowed for a page of any other origin: not to be read is not enough, it must not start work either.
 */
export function corsHeaders(settings: GuardSettings, header: Header): Record<string, string> {
  const origin = header("origin");
  if (origin === undefined) return {};
  if (!originAllowed(settings, origin)) throw new ShimmyError("origin_not_allowed", { origin });
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "x-request-id, x-shimmy-model-fallback, x-shimmy-warning, retry-after",
    vary: "Origin",
  };
}

/** What a preflight request is answered with, beside `corsHeaders`. Every header that the SDKs send is allowed. */
export function preflightHeaders(header: Header): Record<string, string> {
  return {
    "access-control-allow-methods": "GET, HEAD, POST, DELETE, OPTIONS",
    "access-control-allow-headers": header("access-control-request-headers") ?? "authorization, content-type, x-api-key",
    "access-control-max-age": "600",
    // Only if the browser asks; the origin was checked before (private network access).
    ...(header("access-control-request-private-network") === "true" && { "access-control-allow-private-network": "true" }),
  };
}
