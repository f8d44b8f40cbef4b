/** A part of the catalogue: other servers that answer for this one. Read by errors.ts only. */
export const UPSTREAM_ERRORS = {
  upstream_failed: {
    status: 502,
    kind: "unavailable",
    message: "The server behind this one that has '{model}' cannot answer: {reason}",
    hint: "Send the request again; GET /health tells which upstreams are not asked for now.",
  },
  upstream_refused: { status: 400, kind: "invalid_request", message: "{message}" },
  upstream_unsupported: {
    status: 400,
    kind: "invalid_request",
    message: "'{model}' is served by another server, which cannot be asked for {what}",
    hint: "Ask that server itself, or serve the model here.",
  },
  upstream_loop: {
    status: 508,
    kind: "unavailable",
    message: "The servers that should have '{model}' ask each other for it, and none of them has it",
    hint: "Take the address of this server out of --upstream of the servers that it asks, or the other way round.",
  },
} as const;
