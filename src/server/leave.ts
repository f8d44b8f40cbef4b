/**
 * How a server leaves without losing anybody. Called by listen.ts; it must not know what is served.
 *
 *   settle   everything is answered for a while, each answer the last on its connection; then nobody can connect any more
 *   close    running answers end; connections that were promised to be kept are kept until nobody can be writing on them
 */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { closeListener } from "./close-listener.ts";
import { hasBody } from "./slow-bodies.ts";

const POLL_MS = 5;
const CLOSE = ["connection", "close"] as const;
/** A Shimmy in front of this one reads it (upstream/upstream.ts), and asks others first. */
const DRAINING = ["x-shimmy-draining", "true"] as const;

export class Leaving {
  readonly #server: Server;
  readonly #answering: ReadonlySet<ServerResponse>;
  /** When the last answer ended whose head says that its connection is kept; milliseconds of `performance.now()`. */
  #promisedAt = Number.NEGATIVE_INFINITY;
  #settleMs = 0;

  constructor(server: Server, answering: ReadonlySet<ServerResponse>) {
    this.#server = server;
    this.#answering = answering;
  }

  /** Resolves when connections are refused, after `ms`, and whoever connected meanwhile has asked (or has not for as long again). */
  async settle(ms: number): Promise<void> {
    this.#settleMs = ms;
    for (const response of this.#answering) {
      if (!response.headersSent) response.setHeader(...CLOSE);
      else response.once("close", () => this.#promise());
    }
    let settling = true;
    const silent = new Set<Socket>();
    this.#server.on("connection", (socket: Socket) => {
      silent.add(socket);
      socket.once("close", () => silent.delete(socket));
    });
    this.#server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
      silent.delete(request.socket);
      response.setHeader(...DRAINING);
      // Later requests are refused before their bodies are read, and a connection that is closed under an unread body is reset.
      if (settling || !hasBody(request)) response.setHeader(...CLOSE);
    });
    await wait(ms);
    await closeListener(this.#server);
    for (const from = performance.now(); silent.size > 0 && performance.now() - from < ms; ) await wait(POLL_MS);
    settling = false;
  }

  /** Resolves when the running answers are out, or cuts them after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    // Not http's own close(): it hangs up on idle connections, on which somebody may be writing.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()));
    const cut = setTimeout(() => this.#server.closeAllConnections(), timeoutMs);
    await this.#answered();
    const until = Math.min(this.#promisedAt + this.#settleMs - performance.now(), timeoutMs);
    if (until > 0) await wait(until);
    // What has come is read before anybody hangs up on it.
    do {
      await this.#answered();
      await nextTurn();
    } while (this.#answering.size > 0);
    clearTimeout(cut);
    this.#server.closeAllConnections();
    await closed;
  }

  async #answered(): Promise<void> {
    while (this.#answering.size > 0) await Promise.all([...this.#answering].map((response) => once(response, "close")));
  }

  #promise(): void {
    this.#promisedAt = performance.now();
  }
}
