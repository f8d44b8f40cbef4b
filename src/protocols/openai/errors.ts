/** Errors of the catalogue in OpenAI's dress. Called by the server through the `Protocol`, before the headers or in mid-stream. */
import type { ErrorKind, ShimmyError } from "../../contract/errors.ts";
import type { EncodedError } from "../protocol.ts";

/** OpenAI's names; its 404 for a model is an `invalid_request_error` with a code. */
const TYPES: Readonly<Record<ErrorKind, string>> = {
  invalid_request: "invalid_request_error",
  authentication: "authentication_error",
  permission: "permission_error",
  not_found: "invalid_request_error",
  rate_limit: "rate_limit_error",
  unavailable: "server_error",
  internal: "server_error",
};

/** Details that clients read as numbers, beside OpenAI's four fields. The first two are llama.cpp's; a frame has no Retry-After. */
const TOLD_DETAILS = ["n_prompt_tokens", "n_ctx", "retry_after"] as const;

export function encodeError(error: ShimmyError): EncodedError {
  return { status: error.status, body: { error: errorObject(error) } };
}

/** OpenAI's clients throw on this frame; no end mark follows, as the answer is not whole. */
export function encodeStreamError(error: ShimmyError): string {
  return `data: ${JSON.stringify({ error: errorObject(error) })}\n\n`;
}

function errorObject(error: ShimmyError) {
  const details = TOLD_DETAILS.flatMap((name) => (error.details[name] === undefined ? [] : [[name, error.details[name]]]));
  return {
    message: error.message,
    type: TYPES[error.kind],
    param: error.param ?? null,
    code: error.code,
    ...(error.hint && { hint: error.hint }),
    ...Object.fromEntries(details),
  };
}
