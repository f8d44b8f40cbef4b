/**
 * One message to a collector by OTLP/HTTP, and what its answer means. Called by exporter.ts, which decides what is sent again.
 * Source: opentelemetry.io, "OTLP specification", OTLP/HTTP Response: success, partial success, throttling.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TraceSettings } from "./settings.ts";

type Target = Pick<TraceSettings, "url" | "headers" | "timeoutMs" | "gzip" | "tls">;

/** However long a collector asks for: meanwhile the queue fills up. */
const LONGEST_REST_MS = 30_000;
const LONGEST_ANSWER = 16_384;

export interface Verdict {
  /** Spans that were not taken. */
  readonly rejected: number;
  /** For the log. */
  readonly problem?: string;
}

/** An answer of 200 may say that it took only a part; that part is not sent again. */
export function partly(text: string, spans: number): Verdict {
  const { rejectedSpans, errorMessage } = partialSuccess(text);
  // A number of 64 bits, so it is text; some send a number all the same.
  const rejected = Math.min(spans, Math.max(0, Math.trunc(Number(rejectedSpans ?? 0)) || 0));
  if (rejected === 0 && !errorMessage) return { rejected };
  return { rejected, problem: `the collector took ${spans - rejected} of ${spans} spans: ${String(errorMessage ?? "").slice(0, 200)}` };
}

function partialSuccess(text: string): { readonly rejectedSpans?: unknown; readonly errorMessage?: unknown } {
  try {
    return JSON.parse(text)?.partialSuccess ?? {};
  } catch {
    return {}; // an answer without a body, or in words, is one that took all
  }
}

export type Answer = { readonly status: number; readonly text: string; readonly afterMs: number } | { readonly problem: string };

/** Never rejects. The limit holds for the whole of it. */
export function post(body: Buffer, { url, headers, timeoutMs, gzip, tls }: Target): Promise<Answer> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const about = {
    "content-type": "application/json",
    "content-length": String(body.length),
    ...(gzip && { "content-encoding": "gzip" }),
  };
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({ problem: signal.aborted ? `the collector did not answer within ${timeoutMs} ms` : (error.code ?? error.message) });
    try {
      const sent = send(url, { method: "POST", headers: { ...headers, ...about }, signal, ...tls });
      sent.once("response", (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          if (text.length < LONGEST_ANSWER) text += piece;
        });
        response.once("error", failed);
        const afterMs = waitOf(response.headers["retry-after"]);
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text, afterMs }));
      });
      sent.once("error", failed);
      sent.end(body);
    } catch (error) {
      resolve({ problem: error instanceof Error ? error.message : String(error) }); // a header that HTTP does not allow
    }
  });
}

/** Milliseconds; of seconds or of a date. 0: it does not say. */
function waitOf(retryAfter: string | undefined): number {
  const ms = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : Date.parse(retryAfter ?? "") - Date.now();
  return ms > 0 ? Math.min(ms, LONGEST_REST_MS) : 0;
}
