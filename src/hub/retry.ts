/** What is tried again, and after how long. Called by client.ts and download.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import { ShimmyError } from "../contract/errors.ts";

/** A failure that may pass. */
export class Passing extends Error {
  constructor(
    message: string,
    /** What the hub asked for, in milliseconds. */
    readonly afterMs?: number,
  ) {
    super(message);
  }
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Attempts in a row that bring nothing. */
  readonly attempts: number;
  /** The first pause, in milliseconds; each next one is twice as long. */
  readonly pauseMs: number;
  readonly onPause?: (reason: string, ms: number) => void;
  /** Whether the last attempt brought something: then the count begins anew. */
  readonly progressed?: () => boolean;
}

const LONGEST_PAUSE_MS = 30_000;
/** Whoever is told to come back later than that is told so. */
const LONGEST_WISH_MS = 10 * 60_000;
const PASSING_CODES = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "EPROTO",
  "HPE_INVALID_CONSTANT",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** @throws client_closed when the signal is aborted; hub_unreachable when a passing failure did not pass; others as they are. */
export async function withRetries<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, attempts, pauseMs, onPause, progressed } = options;
  for (let failures = 1; ; failures++) {
    if (signal.aborted) throw new ShimmyError("client_closed");
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw new ShimmyError("client_closed", {}, { cause: error });
      const passing = asPassing(error);
      if (progressed?.()) failures = 1;
      if (failures >= attempts || (passing.afterMs ?? 0) > LONGEST_WISH_MS) {
        throw new ShimmyError("hub_unreachable", { reason: passing.message }, { cause: error });
      }
      const backOff = Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      const ms = Math.max(passing.afterMs ?? 0, backOff);
      onPause?.(passing.message, ms);
      await sleep(ms, undefined, { signal }).catch(() => undefined); // an abort is seen above
    }
  }
}

/** @throws what cannot pass. */
function asPassing(error: unknown): Passing {
  if (error instanceof Passing) return error;
  if (error instanceof ShimmyError) throw error;
  const { code = "", message } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
  if (PASSING_CODES.has(code) || /nothing came|aborted|socket hang up|does not answer/.test(message)) return new Passing(message || code);
  if (code === "ENOTFOUND") throw new ShimmyError("hub_unreachable", { reason: "its host name cannot be found" }, { cause: error });
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code))
    throw new ShimmyError("hub_unreachable", { reason: `its certificate is not accepted (${code})` }, { cause: error });
  throw error;
}

/** Retry-After (RFC 9110 §10.2.3): seconds or a date. Else the `t` of the hub's RateLimit header. In milliseconds. */
export function wishedPause(headers: Readonly<Record<string, string | string[] | undefined>>): number | undefined {
  const after = headers["retry-after"];
  if (typeof after === "string") {
    const ms = /^\d+$/.test(after.trim()) ? Number(after) * 1000 : Date.parse(after) - Date.now();
    if (Number.isFinite(ms)) return Math.max(0, ms);
  }
  const seconds = /;\s*t=(\d+)/.exec(String(headers.ratelimit ?? ""))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
