/** Asks the instance over HTTP, as any client would. Made by cli/validate.ts. @throws server_unreachable */
import { ShimmyError } from "../../contract/errors.ts";
import type { Server } from "./subject.ts";

const LIMIT_MS = 10_000;

export function serverAt(url: string, key: string | undefined): Server {
  const base = url.replace(/\/+$/, "");
  const auth = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const send = (path: string, init: RequestInit, limitMs: number) =>
    fetch(base + path, { ...init, signal: AbortSignal.timeout(limitMs) }).catch((cause: unknown) => {
      throw unreachable(base, cause);
    });
  const posted = (body: unknown): RequestInit => ({
    method: "POST",
    headers: { ...auth, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    url: base,
    ask: async (path, { method = "GET", body, limitMs = LIMIT_MS } = {}) => {
      const began = performance.now();
      const response = await send(path, method === "POST" ? posted(body) : { headers: auth }, limitMs);
      const text = await response.text().catch((cause: unknown) => {
        throw unreachable(base, cause);
      });
      return { status: response.status, text, json: parsed(text), ms: performance.now() - began };
    },
    async *stream(path, body, limitMs) {
      const began = performance.now();
      const response = await send(path, posted(body), limitMs);
      const decoder = new TextDecoder();
      // Whoever stops reading ends the request: the iterator cancels the body.
      for await (const piece of response.body ?? []) yield { text: decoder.decode(piece, { stream: true }), ms: performance.now() - began };
    },
  };
}

function unreachable(url: string, cause: unknown): ShimmyError {
  const deeper = cause instanceof Error ? (cause.cause ?? cause) : cause;
  const reason = deeper instanceof Error ? ((deeper as NodeJS.ErrnoException).code ?? deeper.message) : String(deeper);
  return new ShimmyError("server_unreachable", { url, reason: String(reason) }, { cause });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the checks say what they miss
  }
}
