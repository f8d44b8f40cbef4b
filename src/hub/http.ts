/**
 * GET, as a download needs it: through proxies, over redirects, with the headers that the hub puts on its redirect, and with a limit on
 * silence. Called by client.ts and download.ts. The token goes to the hub itself and to nobody it redirects to.
 */
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { urlToHttpOptions } from "node:url";
import { ShimmyError } from "../contract/errors.ts";
import { Agents, type Environment, proxyFor, throughProxy } from "./proxy.ts";

export interface HttpOptions {
  /** Of the hub: `https://huggingface.co`. */
  readonly endpoint: URL;
  readonly token?: string;
  readonly userAgent: string;
  readonly env: Environment;
  /** Milliseconds without a byte after which a connection counts as cut. */
  readonly silenceMs?: number;
}

export interface Answer {
  readonly status: number;
  /** Of the last answer, over those of the redirects before it (X-Linked-Etag, X-Repo-Commit are told by the hub, not by its CDN). */
  readonly headers: IncomingHttpHeaders;
  /** Whether the hub itself answered last. */
  readonly fromHub: boolean;
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
}

const MAX_REDIRECTS = 10;
const SILENCE_MS = 60_000;
const TOLD_BY_HUB = ["x-linked-etag", "x-linked-size", "x-repo-commit", "x-error-code", "x-error-message"] as const;

export class HttpClient {
  readonly #agents = new Agents();

  constructor(private readonly options: HttpOptions) {}

  /** @throws hub_unreachable for a redirect that is refused; else what node:http throws. */
  async get(start: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    let url = new URL(start);
    const told: IncomingHttpHeaders = {};
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const body = await this.#send(url, headers, signal);
      const status = body.statusCode ?? 0;
      const { location } = body.headers;
      const fromHub = url.origin === this.options.endpoint.origin;
      if (fromHub) for (const name of TOLD_BY_HUB) if (body.headers[name] !== undefined) told[name] = body.headers[name];
      if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
        return { status, headers: { ...body.headers, ...told }, fromHub, body };
      body.resume();
      url = redirected(url, location);
    }
    throw new ShimmyError("hub_unreachable", { reason: `more than ${MAX_REDIRECTS} redirects` });
  }

  /** Ends idle connections, which would keep a command running. */
  close(): void {
    this.#agents.destroy();
  }

  #send(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    const { endpoint, token, userAgent, env, silenceMs = SILENCE_MS } = this.options;
    const proxy = proxyFor(url, env);
    const plain = proxy !== undefined && url.protocol === "http:" ? throughProxy(proxy, url) : undefined;
    const agent = proxy && !plain ? this.#agents.tunnel(proxy) : this.#agents.direct(plain?.protocol ?? url.protocol);
    const authorization = token !== undefined && url.origin === endpoint.origin && { authorization: `Bearer ${token}` };
    const all = { "user-agent": userAgent, "accept-encoding": "identity", ...headers, ...authorization, ...plain?.headers };
    const send = (plain?.protocol ?? url.protocol) === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send({ ...(plain ?? urlToHttpOptions(url)), headers: all, agent, signal, timeout: silenceMs });
      request.once("response", resolve);
      request.on("error", reject); // later ones reach the reader of the body
      request.on("timeout", () => request.destroy(new Error(`nothing came for ${Math.round(silenceMs / 1000)} s`)));
      request.end();
    });
  }
}

function redirected(from: URL, location: string): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!target || !/^https?:$/.test(target.protocol)) throw new ShimmyError("hub_unreachable", { reason: "a redirect leads nowhere" });
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw new ShimmyError("hub_unreachable", { reason: `a redirect leads from https to unencrypted http (${target.host})` });
  }
  return target;
}
