/**
 * Proxies, which Node's fetch of version 20 does not know: which one stands before a URL, and a connection through it. Called by
 * http.ts. The variables are those of curl(1): https_proxy, http_proxy, all_proxy, no_proxy, in either case.
 */
import { type ClientRequestArgs, Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { ShimmyError } from "../contract/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** How long a proxy may take to open a tunnel, in milliseconds. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** @throws hub_unreachable when the variable holds no http or https URL. */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const value = read(env, `${url.protocol.slice(0, -1)}_proxy`) ?? read(env, "all_proxy");
  if (value === undefined || isExcepted(url, read(env, "no_proxy") ?? "")) return undefined;
  const written = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(written) ? new URL(written) : undefined;
  if (proxy && /^https?:$/.test(proxy.protocol)) return proxy;
  throw new ShimmyError("hub_unreachable", { reason: "the proxy that the environment names is no http:// or https:// URL" });
}

function read(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toUpperCase()] || undefined;
}

/** "*", or names and addresses, each with all below it: `example.org`, `.example.org`, `*.example.org`, `127.0.0.1`, `host:port`. */
function isExcepted(url: URL, list: string): boolean {
  const host = bareHost(url.hostname).toLowerCase();
  return list.split(/[\s,]+/).some((item) => {
    if (item === "*") return true;
    const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(item.toLowerCase().replace(/^\*?\./, "")) ?? [];
    const pattern = /^[\da-f:]*:[\da-f:]*$/.test(item) ? item : bareHost(name);
    if (pattern === "" || (port !== undefined && pattern !== item && port !== portOf(url))) return false;
    return host === pattern || host.endsWith(`.${pattern}`);
  });
}

function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function portOf({ port, protocol }: URL): string {
  return port || (protocol === "https:" ? "443" : "80");
}

/** What a request needs to go to the proxy itself: for http URLs, whose whole address is then the path. */
export function throughProxy(proxy: URL, url: URL) {
  return {
    protocol: proxy.protocol,
    hostname: bareHost(proxy.hostname),
    port: portOf(proxy),
    path: url.href,
    headers: { host: url.host, ...proxyHeaders(proxy) },
  };
}

function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  return { "proxy-authorization": `Basic ${credentials}` };
}

type Connected = (error: Error | null, stream: Duplex) => void;

/** Connections to https hosts through a CONNECT tunnel (RFC 9110 §9.3.6): TLS is spoken with the host, the proxy sees its name only. */
export class TunnelAgent extends HttpsAgent {
  constructor(
    private readonly proxy: URL,
    options: { keepAlive: boolean },
  ) {
    super(options);
  }

  override createConnection(options: ClientRequestArgs, callback?: Connected): undefined {
    const failed = callback as ((error: Error) => void) | undefined;
    const host = options.host ?? "";
    const target = `${host.includes(":") ? `[${host}]` : host}:${options.port ?? 443}`;
    const connect = (this.proxy.protocol === "https:" ? httpsRequest : httpRequest)({
      hostname: bareHost(this.proxy.hostname),
      port: portOf(this.proxy),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...proxyHeaders(this.proxy) },
      agent: false,
      timeout: TUNNEL_TIMEOUT_MS,
    });
    connect.once("connect", (response, socket) => {
      socket.setTimeout(0);
      const stream = response.statusCode === 200 ? super.createConnection({ ...options, ...{ socket } }) : undefined;
      if (stream) return callback?.(null, stream);
      socket.destroy();
      failed?.(new ShimmyError("hub_unreachable", { reason: `the proxy answers ${response.statusCode} to a tunnel to ${target}` }));
    });
    connect.once("timeout", () => connect.destroy(new Error("the proxy does not answer")));
    connect.once("error", (error) => failed?.(error));
    connect.end();
    return undefined;
  }
}

/** One agent for each kind of way: their idle connections are reused, and all end with `destroy`. */
export class Agents {
  readonly #agents = new Map<string, HttpAgent>();

  /** For a URL that is asked without a proxy, or a plain proxy itself. */
  direct(protocol: string): HttpAgent {
    return this.#get(protocol, () => (protocol === "https:" ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })));
  }

  tunnel(proxy: URL): HttpAgent {
    return this.#get(proxy.href, () => new TunnelAgent(proxy, { keepAlive: true }));
  }

  destroy(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #get(key: string, make: () => HttpAgent): HttpAgent {
    const agent = this.#agents.get(key) ?? make();
    this.#agents.set(key, agent);
    return agent;
  }
}
