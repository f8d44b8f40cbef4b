/**
 * The socket. Health checks are answered here, from a few kilobytes; the first other request loads the application.
 * Called by cli/serve.ts. It refuses to be reached from other machines without a key.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenAddress } from "../config/listen.ts";
import { ShimmyError } from "../contract/errors.ts";
import { connectionLimit } from "./connection-limit.ts";
import { checkHost, corsHeaders } from "./guards.ts";
import { health } from "./health.ts";
import { Leaving } from "./leave.ts";
import { errorHeaders, plainError } from "./respond.ts";
import type { Services } from "./services.ts";
import { limitSilence } from "./slow-bodies.ts";

type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface Listening {
  /** With the real port, whatever was asked for. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Answers everybody for `ms`, each for the last time on a connection, then takes no new connections; resolves when they are refused. */
  settle(ms: number): Promise<void>;
  /** Takes no new connections and resolves when the running answers are out, or cuts them after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** @throws insecure_bind, address_in_use, invalid_setting */
export async function listen(services: Services, address: ListenAddress): Promise<Listening> {
  const { config, guards } = services;
  if (!guards.loopback && guards.apiKey.length === 0 && !config.insecure) throw new ShimmyError("insecure_bind", { address: address.host });
  const server = createServer(route(services));
  // Pooled clients come back late. Node's limit on receiving headers stays (60 s).
  server.keepAliveTimeout = 75_000;
  limitSilence(server);
  limitConnections(server, services);
  const answering = new Set<ServerResponse>();
  server.prependListener("request", (_, response: ServerResponse) => {
    answering.add(response);
    response.once("close", () => answering.delete(response));
  });
  await bind(server, address);
  const { port } = server.address() as AddressInfo;
  const url = `http://${urlHost(address.host)}:${port}`;
  const leaving = new Leaving(server, answering);
  return { url, host: address.host, port, settle: (ms) => leaving.settle(ms), close: (ms) => leaving.close(ms) };
}

const DROPS_TOLD_EVERY_MS = 60_000;

function limitConnections(server: Server, { config, log }: Services): void {
  const limit = connectionLimit(config.upstreams.length > 0);
  if (limit === undefined) return;
  server.maxConnections = limit;
  let toldAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() - toldAt < DROPS_TOLD_EVERY_MS) return;
    toldAt = performance.now();
    log.warn("connections are refused", { limit, hint: "raise `ulimit -n`, or close connections that are not used" });
  });
}

function route(services: Services): NodeListener {
  let application: Promise<NodeListener> | undefined;
  return (request, response) => {
    if ((request.method === "GET" || request.method === "HEAD") && request.url === "/health")
      return void answerHealth(services, request, response);
    application ??= import("./node-listener.ts").then(({ nodeListener }) => nodeListener(services));
    application.then(
      (listener) => response.destroyed || listener(request, response),
      (cause) => {
        const error = ShimmyError.from(cause);
        services.installation.failed(error);
        send(response, error);
      },
    );
  };
}

async function answerHealth(services: Services, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const header = (name: string) => request.headers[name]?.toString();
    checkHost(services.guards, header);
    const cors = corsHeaders(services.guards, header);
    const { status, body } = await health(services);
    response
      .writeHead(status, { "content-type": "application/json", ...cors })
      .end(request.method === "HEAD" ? undefined : JSON.stringify(body));
  } catch (error) {
    send(response, ShimmyError.from(error));
  }
}

function send(response: ServerResponse, error: ShimmyError): void {
  const { status, body } = plainError(error);
  response.writeHead(status, { "content-type": "application/json", ...errorHeaders(error) }).end(JSON.stringify(body));
}

/** How far from the wanted port a free one is looked for, as in the Rust original, before the kernel chooses. */
const PORTS_TRIED = 100;

async function bind(server: Server, { host, port, nextFree }: ListenAddress): Promise<void> {
  const candidates = nextFree ? [...Array.from({ length: PORTS_TRIED }, (_, i) => port + i).filter((p) => p <= 65_535), 0] : [port];
  for (const candidate of candidates) {
    try {
      return await tryBind(server, host, candidate);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const again = code === "EADDRINUSE" && candidate !== candidates.at(-1);
      if (again) continue;
      if (code === "EADDRINUSE") throw new ShimmyError("address_in_use", { address: `${host}:${port}` });
      const reason = `cannot listen there (${code})`;
      throw new ShimmyError("invalid_setting", { source: "bind", name: "bind", value: `${host}:${port}`, reason }, { cause: error });
    }
  }
}

function tryBind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1"; // what a person can type
  return host.includes(":") ? `[${host}]` : host;
}
