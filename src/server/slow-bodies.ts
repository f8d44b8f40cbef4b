/**
 * How long a request's body may take: as long as it likes while bytes come. Node allows 300 s for all of a request, which cuts an upload
 * on a slow line; without that limit a client that sends nothing more would be waited for without end. Called by listen.ts. It must not
 * know what is asked. Headers keep Node's own limit (60 s).
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { ShimmyError } from "../contract/errors.ts";
import { plainError } from "./respond.ts";

/** As long as nginx waits between two reads of a body (client_body_timeout). */
const SILENCE_MS = 60_000;

/** @param silenceMs a body of which no byte comes for so long ends its connection; if nothing was answered yet with a 408 */
export function limitSilence(server: Server, silenceMs = SILENCE_MS): void {
  server.requestTimeout = 0;
  server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
    if (hasBody(request)) watch(request, response, silenceMs);
  });
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function watch(request: IncomingMessage, response: ServerResponse, silenceMs: number): void {
  const { socket } = request;
  let before = { read: socket.bytesRead, untaken: 0 };
  const timer = setInterval(() => {
    if (request.complete || socket.destroyed) return clearInterval(timer);
    const now = { read: socket.bytesRead, untaken: request.readableLength };
    // What came and is not taken yet is for us to read: the client may not be able to send more.
    const silent = now.read === before.read && now.untaken === 0 && before.untaken === 0;
    before = now;
    // Of a pipelined request whose turn has not come: the connection still belongs to the answer before it.
    if (response.socket === null && !response.writableFinished) return;
    // Behind a finished answer nobody wants the rest, however steadily it comes.
    if (!silent && !response.writableFinished) return;
    clearInterval(timer);
    hangUp(request, response, silenceMs);
  }, silenceMs);
  timer.unref();
  const over = () => clearInterval(timer);
  request.once("end", over).once("close", over);
}

/** Said on the bare socket: the application still waits for the body, and hears of its end by the error. */
function hangUp(request: IncomingMessage, response: ServerResponse, silenceMs: number): void {
  const error = new ShimmyError("request_stalled", { seconds: silenceMs / 1000 });
  if (!response.headersSent) {
    const body = JSON.stringify(plainError(error).body);
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
    request.socket.write(`HTTP/1.1 408 Request Timeout\r\n${head}\r\n\r\n${body}`);
  }
  request.destroy(error);
}
