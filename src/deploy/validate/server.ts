/**
 * Asks the instance over HTTP, as any client would, with limits of time and size: what is there may be anything. By node:http, for fetch
 * ends the process where WebAssembly gets no memory (ulimit -v). Made by cli/validate.ts. @throws server_unreachable, server_refused
 */
import { once } from "node:events";
import { type IncomingMessage, request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { ShimmyError } from "../../contract/errors.ts";
import { messageOf } from "./shapes.ts";
import type { Patience, Server } from "./subject.ts";

const LIMIT_MS = 10_000;
/** Once it let us wait for nothing, so that a server that hangs does not hang all checks, one after the other. */
const IMPATIENT_MS = 2000;
/** Of an answer: a checklist asks for nothing large. */
const MOST_BYTES = 32 * 1024 ** 2;

export function serverAt(url: string, key: string | undefined): Server {
  const auth = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let waitedInVain = false;
  /** The pieces of one answer. A redirect is an answer: the key must not go elsewhere. */
  async function* exchange(path: string, sent: Sent, wanted: Patience) {
    const quietMs = waitedInVain ? Math.min(IMPATIENT_MS, wanted.quietMs) : wanted.quietMs;
    const stop = new AbortController();
    const { signal } = stop;
    let overMs = quietMs;
    const quiet = setTimeout(() => stop.abort(), quietMs);
    const whole = setTimeout(() => {
      overMs = wanted.wholeMs;
      stop.abort();
    }, wanted.wholeMs);
    const began = performance.now();
    let bytes = 0;
    try {
      const response = await send(url + path, { ...sent, headers: { ...sent.headers, ...auth } }, signal);
      yield { response, text: "", ms: performance.now() - began };
      const decoder = new TextDecoder();
      // Whoever stops reading ends the request: the iterator destroys the response.
      for await (const piece of response as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > MOST_BYTES) throw new Error(`its answer has more than ${MOST_BYTES / 1024 ** 2} MiB`);
        const text = decoder.decode(piece, { stream: true });
        if (isProgress(text)) quiet.refresh();
        yield { response, text, ms: performance.now() - began };
      }
    } catch (cause) {
      waitedInVain ||= signal.aborted;
      const reason = signal.aborted ? `no ${bytes > 0 ? "end" : "answer"} within ${overMs / 1000} s` : reasonOf(cause);
      throw new ShimmyError("server_unreachable", { url, reason }, { cause });
    } finally {
      clearTimeout(quiet);
      clearTimeout(whole);
    }
  }
  return {
    url,
    ask: async (path, { method = "GET", body, limitMs = LIMIT_MS } = {}) => {
      const patience = { quietMs: limitMs, wholeMs: limitMs };
      const seen = { status: 0, text: "", location: "", ms: 0 };
      for await (const { response, text, ms } of exchange(path, method === "POST" ? posted(body) : {}, patience)) {
        seen.status = response.statusCode ?? 0;
        seen.location = response.headers.location ?? "";
        seen.text += text;
        seen.ms = ms;
      }
      const { location, ...answer } = seen;
      return { ...answer, json: parsed(seen.text), ...(location !== "" && { location: new URL(location, url).href }) };
    },
    async *stream(path, body, patience) {
      let refusal = "";
      let status = 200;
      for await (const { response, text, ms } of exchange(path, posted(body), patience)) {
        status = response.statusCode ?? 0;
        if (status === 200) yield { text, ms };
        else refusal += text;
      }
      if (status !== 200)
        throw new ShimmyError("server_refused", { url, status, message: messageOf(parsed(refusal)) ?? refusal.slice(0, 200) });
    },
  };
}

interface Sent {
  readonly method?: "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** @param body a string goes as it is, anything else as JSON. */
function posted(body: unknown): Sent {
  return { method: "POST", headers: { "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) };
}

/** A comment of a stream of events says that the server lives, and nothing of its engine. */
function isProgress(piece: string): boolean {
  return /^[^:\s]/m.test(piece);
}

async function send(url: string, { body, ...head }: Sent, signal: AbortSignal): Promise<IncomingMessage> {
  const request = (url.startsWith("https:") ? overHttps : overHttp)(url, { ...head, agent: false, signal });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  return code === "ECONNRESET" ? "it broke off the connection" : (code ?? cause.message);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the checks say what they miss
  }
}
