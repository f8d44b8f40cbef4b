/** A gateway before other servers: real ones, and ones that misbehave. Shared by the suites of this folder. */

import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer, type Socket } from "node:net";
import { startServer, type TestServer } from "../support/server.ts";

export function gatewayBefore(urls: readonly string[], args: readonly string[] = []): Promise<TestServer> {
  return startServer({ args: [...urls.flatMap((url) => ["--upstream", url]), "--no-embedded-model", ...args] });
}

export interface Stand {
  readonly url: string;
  stop(): Promise<void>;
}

/** An HTTP server that answers by this listener. Unless it `lists` its models itself, it has `tiny-stand`. */
export async function standIn(answer: RequestListener, lists = false): Promise<Stand> {
  const server = createServer((request, response) => {
    if (lists || request.url !== "/v1/models") return answer(request, response);
    response.writeHead(200, { "content-type": "application/json" }).end(`{"object":"list","data":[{"id":"tiny-stand"}]}`);
  });
  return listening(server, 0, () => server.closeAllConnections());
}

/** A server below HTTP. */
export function rawStandIn(answer: (socket: Socket, request: string) => void): Promise<Stand> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (data) => answer(socket, String(data)));
  });
  return listening(server, 0, () => {
    for (const socket of sockets) socket.destroy();
  });
}

async function listening(server: ReturnType<typeof createTcpServer>, port: number, cut: () => void): Promise<Stand> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

export const QUESTION = { messages: [{ role: "user", content: "Say something." }], temperature: 0, seed: 1 };

/** What the tests look at in answers that are no completions. */
export interface Told {
  readonly error?: { readonly code: string; readonly message: string };
  readonly data: ReadonlyArray<{ readonly id: string; readonly context_length: number; readonly size: number }>;
  readonly models: { readonly total: number };
  readonly degraded?: unknown;
}

export async function told<T = Told>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

export interface Read {
  readonly status: number;
  readonly text: string;
  readonly error: { readonly code?: string; readonly message?: string } | undefined;
  readonly done: boolean;
  /** Pieces of the answer. */
  readonly pieces: number;
}

/** A stream to its end, however it ends. */
export async function readStream(response: Response): Promise<Read> {
  const body = await response.text();
  if (!body.startsWith("data:") && !body.startsWith(":")) {
    const { error } = JSON.parse(body);
    return { status: response.status, text: "", error, done: false, pieces: 0 };
  }
  const data = body.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []));
  const chunks = data.filter((each) => each !== "[DONE]").map((each) => JSON.parse(each));
  const contents = chunks.flatMap(({ choices = [] }) => choices.map(({ delta }: { delta: { content?: string } }) => delta.content ?? ""));
  return {
    status: response.status,
    text: contents.join(""),
    error: chunks.find(({ error }) => error)?.error,
    done: data.at(-1) === "[DONE]",
    pieces: contents.filter((text) => text !== "").length,
  };
}
