/** Errors as HTTP answers. Called by everything in this room that may fail. */
import type { ShimmyError } from "../contract/errors.ts";

/** @param dress the protocol's, or `plainError` where no protocol is in play yet. */
export function errorResponse(error: ShimmyError, dress: (error: ShimmyError) => { status: number; body: unknown }): Response {
  const { status, body } = dress(error);
  return Response.json(body, { status, headers: errorHeaders(error) });
}

/** OpenAI's shape in its simplest form: for routes of no protocol, and for the quick path that loads none. */
export function plainError(error: ShimmyError): { status: number; body: unknown } {
  const { message, kind, code, hint } = error;
  return { status: error.status, body: { error: { message, type: kind, param: error.param ?? null, code, ...(hint && { hint }) } } };
}

export function errorHeaders(error: ShimmyError): Record<string, string> {
  const headers: Record<string, string> = {};
  const { retry_after, allowed } = error.details;
  if (retry_after !== undefined) headers["retry-after"] = String(retry_after);
  if (error.code === "method_not_allowed" && allowed !== undefined) headers.allow = String(allowed);
  if (error.status === 401) headers["www-authenticate"] = "Bearer";
  return headers;
}

const LONGEST_HEADER = 1024;

/** What was left out of a request, for the log and for people who look at headers. Their values are ASCII, so all else becomes "?". */
export function warningHeaders({ warnings = [] }: { readonly warnings?: readonly string[] }, tell: (text: string) => void) {
  for (const warning of warnings) tell(warning);
  const text = warnings.join("; ").replaceAll(/[^\x20-\x7e]/g, "?");
  return text === "" ? {} : { "x-shimmy-warning": text.slice(0, LONGEST_HEADER) };
}
