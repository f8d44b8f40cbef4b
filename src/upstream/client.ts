/**
 * One HTTP request to an upstream. node:http rather than fetch: it tells whether a connection was new, pools per upstream, and an idle
 * gateway has it loaded already. Called by upstream.ts. It must not know what is asked.
 */
import { Agent as HttpAgent, type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { ShimmyError } from "../contract/errors.ts";
import { UpstreamFailure } from "./failure.ts";

export type Agent = HttpAgent | HttpsAgent;

export interface Call {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string;
  /** Until the head of the answer is here, and between any two parts of it: milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

const CONNECT_MS = 3000;
const KEPT_CONNECTIONS = 64;
/** A whole answer that is no stream: an error, a list of models. Bytes. */
const LONGEST_WHOLE = 8 * 1024 * 1024;
/** As Node's own limit, said here because others may raise that one. */
const LONGEST_HEAD = 16 * 1024;

export function agentFor(url: string): Agent {
  const options = { keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS };
  return url.startsWith("https:") ? new HttpsAgent(options) : new HttpAgent(options);
}

/** @returns the answer, its body unread, to be read as text. @throws UpstreamFailure unreachable; client_closed */
export async function send(call: Call, agent: Agent): Promise<IncomingMessage> {
  try {
    return await attempt(call, agent);
  } catch (error) {
    // A kept connection that the other side closed in the same moment: the request never reached it.
    if (!(error instanceof StaleConnection)) throw error;
    return attempt(call, false);
  }
}

class StaleConnection extends Error {}

function attempt({ url, method, headers, body, silenceMs, signal }: Call, agent: Agent | false): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const start = url.startsWith("https:") ? requestHttps : requestHttp;
    const request = start(url, {
      method,
      headers: { "accept-encoding": "identity", ...headers },
      agent,
      signal,
      maxHeaderSize: LONGEST_HEAD,
    });
    const silent = () => request.destroy(new UpstreamFailure("unreachable", `it was silent for ${Math.round(silenceMs / 1000)} s`));
    const waiting = setTimeout(silent, silenceMs);
    let connecting: NodeJS.Timeout | undefined;
    const stopWaiting = () => {
      clearTimeout(waiting);
      clearTimeout(connecting);
    };
    request.once("socket", (socket) => {
      if (!socket.connecting) return;
      connecting = setTimeout(() => request.destroy(new UpstreamFailure("unreachable", "it cannot be reached (time-out)")), CONNECT_MS);
      socket.once("connect", () => clearTimeout(connecting));
    });
    request.setTimeout(silenceMs, silent);
    request.once("response", (response) => {
      stopWaiting();
      const coding = response.headers["content-encoding"];
      if (coding !== undefined && coding !== "identity") {
        response.destroy();
        return reject(new UpstreamFailure("unwell", "its answer is compressed, which it was not asked for"));
      }
      resolve(response.setEncoding("utf8"));
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      stopWaiting();
      const stale = request.reusedSocket && agent !== false && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(stale && !signal.aborted ? new StaleConnection() : connectionFailure(error, signal));
    });
    request.end(body);
  });
}

/** Characters that wait for their reader before the upstream has to wait. */
const ENOUGH_UNREAD = 256 * 1024;

/**
 * The body as it comes, all that has come since the last piece as one. Flowing, for a `Readable` as an iterator costs as much a piece as
 * everything else that is done with it. @throws what the connection fails with
 */
export async function* textOf(response: IncomingMessage): AsyncGenerator<string, void, undefined> {
  let text = "";
  let end: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;
  const finish = (error?: unknown) => {
    end ??= error === undefined ? {} : { error };
    wake?.();
  };
  response.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > ENOUGH_UNREAD) response.pause();
    wake?.();
  });
  response.once("end", () => finish());
  response.on("error", finish);
  const cut = () => finish(new UpstreamFailure("unreachable", "its answer was cut off"));
  response.once("close", cut);
  // Ended before anybody listened: none of these will be told again.
  if (response.destroyed) cut();
  for (;;) {
    if (text !== "") {
      const read = text;
      text = "";
      if (response.isPaused()) response.resume();
      yield read;
    } else if (end) {
      if ("error" in end) throw end.error;
      return;
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
  }
}

/** OpenSSL's and Node's words for certificates of unknown issuers. */
const NOT_TRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT.*))$/;

/** What an answer, or the wait for one, was ended by. */
export function connectionFailure(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return new ShimmyError("client_closed");
  if (error instanceof UpstreamFailure || error instanceof ShimmyError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // What no HTTP server says: the one who answers there is none.
  if (code.startsWith("HPE_")) return new UpstreamFailure("unwell", `its answer is no HTTP (${code})`, { cause: error });
  if (NOT_TRUSTED.test(code))
    return new UpstreamFailure("unreachable", `its certificate is not trusted here (${code}): NODE_EXTRA_CA_CERTS names a file of more`, {
      cause: error,
    });
  return new UpstreamFailure("unreachable", `the connection failed${code && ` (${code})`}`, { cause: error });
}

/** The body as text. @throws UpstreamFailure for one of more than `longest` characters */
export async function whole(response: IncomingMessage, signal: AbortSignal, longest = LONGEST_WHOLE): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response) {
      text += chunk;
      if (text.length > longest) throw new UpstreamFailure("unwell", "its answer has no end");
    }
  } catch (error) {
    throw connectionFailure(error, signal);
  }
  return text;
}
