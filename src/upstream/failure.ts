/**
 * What went wrong with an upstream, and what follows: another one is asked, or the caller is told. Thrown by client.ts, sse.ts and
 * answer.ts; judged by generator.ts.
 */
import { ShimmyError } from "../contract/errors.ts";

/**
 * `unreachable`: no connection, none that lasts, or it takes no work now; it is not asked for a while. `unwell`: it answered with what is no
 * answer. `busy`: its queue is full. `stranger`: it does not have the model that its list told of. `leaving`: it is about to end, and well;
 * `loading`: it begins, and will be. `loop`: it is this server itself, or would ask it.
 */
export type FailureKind = "unreachable" | "unwell" | "busy" | "stranger" | "leaving" | "loading" | "loop";

/** Another upstream may do better. What no other would answer either is a thrown `ShimmyError` instead. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  constructor(
    readonly kind: FailureKind,
    /** The end of a sentence, for the log and /health; no address, nothing secret and no word of the upstream, which may quote the prompt. */
    readonly reason: string,
    /** `said`: the upstream's own words, for who asked. */
    readonly options: { readonly retryAfter?: number; readonly said?: string; readonly cause?: unknown } = {},
  ) {
    super(reason, { cause: options.cause });
  }

  /** What the caller is told when no other is left. */
  toldOf(model: string): ShimmyError {
    if (this.kind === "loop") return new ShimmyError("upstream_loop", { model }, { cause: this });
    if (this.kind === "busy")
      return new ShimmyError("queue_full", { model, queued: "all upstreams", retry_after: this.options.retryAfter ?? 1 }, { cause: this });
    const { said } = this.options;
    return new ShimmyError("upstream_failed", { model, reason: said ? `${this.reason}: ${said}` : this.reason }, { cause: this });
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** Codes of a Shimmy that speak of one model, where the server is well. */
const OF_ONE_MODEL = /^(model_|engine_|no_slot|queue_timeout)/;
const LONGEST_MESSAGE = 1000;
const LONGEST_RETRY_S = 3600;

/** An answer of another status than 200. @param text its body, as far as it was read */
export function failureOf(status: number, text: string, retryAfter?: string): UpstreamFailure | ShimmyError {
  return judged(status, errorIn(text), secondsOf(retryAfter));
}

/** The error that a stream ended with: its status line said 200 before. */
export function failureInStream(error: unknown): UpstreamFailure | ShimmyError {
  const fields = isFields(error) ? error : { message: error };
  const { type, code } = fields;
  const status = typeof code === "number" ? code : STATUS_OF_TYPE[String(type)];
  return judged(status ?? 500, fields, Number(fields.retry_after));
}

/** Seconds, or a date (RFC 9110, 10.2.3). NaN: neither. */
function secondsOf(retryAfter: string | undefined): number {
  const seconds = Number(retryAfter);
  return Number.isNaN(seconds) ? (Date.parse(retryAfter ?? "") - Date.now()) / 1000 : seconds;
}

const STATUS_OF_TYPE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  BadRequestError: 400,
  exceed_context_size_error: 400,
  rate_limit_error: 429,
  authentication_error: 401,
  permission_error: 403,
};

function judged(status: number, error: Fields, retry: number): UpstreamFailure | ShimmyError {
  const retryAfter = Number.isFinite(retry) && retry > 0 ? Math.min(Math.ceil(retry), LONGEST_RETRY_S) : undefined;
  const said = cleaned(error.message);
  if (status === 429) return new UpstreamFailure("busy", "its queue is full", retryAfter === undefined ? {} : { retryAfter });
  if (status === 401 || status === 403) return new UpstreamFailure("unwell", `it does not take our key (${status})`);
  if (status === 404) return new UpstreamFailure("stranger", "it does not have the model any more");
  if (status === 503 && error.code === "shutting_down") return new UpstreamFailure("leaving", "it is shutting down");
  if (status === 508) return new UpstreamFailure("loop", "it would ask this server again");
  // llama-server's, until its model is read. Nothing that somebody asked stands there.
  if (status === 503 && error.type === "unavailable_error" && /^loading model/i.test(said))
    return new UpstreamFailure("loading", "it is loading its model");
  // llama-server's for what it was not started for (vectors, ranks): it is well.
  if (status === 501) return new ShimmyError("upstream_refused", { message: said || "The upstream does not do that" });
  if (status === 408 || status >= 500 || status < 400) {
    const gone = (status === 503 && !OF_ONE_MODEL.test(String(error.code))) || status === 502 || status === 504;
    return new UpstreamFailure(gone ? "unreachable" : "unwell", `it answered with status ${status}`, { said });
  }
  const { n_ctx, n_prompt_tokens, param } = error;
  if (typeof n_ctx === "number" && typeof n_prompt_tokens === "number")
    return new ShimmyError("context_length_exceeded", { n_ctx, n_prompt_tokens });
  const message = said || `The upstream refused the request with status ${status}`;
  return new ShimmyError("upstream_refused", { message, ...(typeof param === "string" && { param: cleaned(param) }) });
}

/** OpenAI's shape, FastAPI's `detail`, or none. */
function errorIn(text: string): Fields {
  try {
    const body: unknown = JSON.parse(text);
    if (!isFields(body)) return {};
    if (isFields(body.error)) return body.error;
    return { message: body.error ?? body.message ?? body.detail, ...("code" in body && { code: body.code }) };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function cleaned(text: unknown): string {
  return typeof text === "string"
    ? text
        .replace(/\p{C}+/gu, " ")
        .trim()
        .slice(0, LONGEST_MESSAGE)
    : "";
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
