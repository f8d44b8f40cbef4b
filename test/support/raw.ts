/**
 * HTTP below fetch, for the suites of faults and doors: headers that fetch forbids, sockets that break off in the middle,
 * requests that never end, and what /metrics says meanwhile.
 */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import type { TestServer } from "./server.ts";

type Address = Pick<TestServer, "port">;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Question {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

/** One request on a connection of its own. A `host` among the headers is sent as it is. */
export function ask({ port }: Address, path: string, { method, headers = {}, body }: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path,
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      agent: false,
    });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.once("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.once("error", reject);
    });
    outgoing.end(body);
  });
}

/** The same with a JSON body, and the answer parsed. */
export async function askJson(server: Address, path: string, body: unknown, headers: OutgoingHttpHeaders = {}) {
  const answer = await ask(server, path, { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });
  return { ...answer, json: JSON.parse(answer.text) };
}

export interface Connection {
  /** Everything the server has written so far. */
  received(): string;
  write(bytes: string | Uint8Array): void;
  /** Takes no more bytes from the socket: the server must stop writing when the buffers are full. */
  pause(): void;
  /** Breaks off without a word. */
  destroy(): void;
  /** Resolves when the connection is over, whoever ended it and however. */
  readonly closed: Promise<void>;
}

/** A bare socket to the server. */
export async function open({ port }: Address): Promise<Connection> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => undefined); // a reset is one way of closing
  return {
    received: () => text,
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    destroy: () => void socket.destroy(),
    closed,
  };
}

/** A POST with JSON as its bytes. */
export function postBytes(path: string, body: unknown): string {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${text}`;
}

/** Sends the POST and leaves the answer to come. */
export async function begin(server: Address, path: string, body: unknown): Promise<Connection> {
  const connection = await open(server);
  connection.write(postBytes(path, body));
  return connection;
}

/** A number of /metrics; absent samples count as 0. */
export async function metric(server: Address, name: string, labels = ""): Promise<number> {
  const { text } = await ask(server, "/metrics");
  const line = text.split("\n").find((each) => each.startsWith(`${name}${labels}`) && /[ {]/.test(each[name.length] ?? ""));
  return Number(line?.split(" ").at(-1) ?? 0);
}

export interface Load {
  readonly running: number;
  readonly queued: number;
}

/** What the engine of a model does now. */
export async function load(server: Address, model = "shimmy-tiny"): Promise<Load> {
  const [running, queued] = await Promise.all(
    ["shimmy_running_requests", "shimmy_queue_depth"].map((name) => metric(server, name, `{model="${model}"}`)),
  );
  return { running: running!, queued: queued! };
}
