/** A part of the catalogue of errors: stored files, batches, and what else Shimmy's own routes are asked for by name. Read by errors.ts only. */
import type { ErrorEntry } from "./errors.ts";

export const FILE_ERRORS = {
  invalid_multipart: {
    status: 400,
    kind: "invalid_request",
    message: "The upload cannot be read: {reason}",
    hint: "Send multipart/form-data with the fields file and purpose.",
  },
  file_too_large: {
    status: 413,
    kind: "invalid_request",
    message: "The file is larger than {limit} bytes",
    hint: "Raise --max-file-size, or send less.",
  },
  files_full: {
    status: 413,
    kind: "invalid_request",
    message: "The stored files would be more than {limit}",
    hint: "Delete files that are not needed any more, or raise --max-files-size.",
  },
  file_not_found: { status: 404, kind: "not_found", message: "There is no file '{file}'" },
  files_unusable: { status: 503, kind: "unavailable", message: "The folder of stored files cannot be used: {reason}" },
  files_off: {
    status: 404,
    kind: "not_found",
    message: "This server stores no files and runs no batches",
    hint: "Start it without --no-files, and without SHIMMY_FILES=false.",
  },
  alert_not_found: { status: 404, kind: "not_found", message: "There is no alert '{alert}'", hint: "GET /api/alerts tells all there are." },
  batch_not_found: { status: 404, kind: "not_found", message: "There is no batch '{batch}'" },
  batch_over: { status: 400, kind: "invalid_request", message: "A batch that is {status} cannot be cancelled" },
  batches_full: {
    status: 429,
    kind: "rate_limit",
    message: "{open} batches are unfinished; no more are taken before one of them has ended",
  },
  moderation_unavailable: {
    status: 404,
    kind: "not_found",
    message: "This server classifies nothing: no engine for classifier models is built in",
    hint: "Ask a chat model to judge the text, with response_format for the shape of its verdict.",
  },
} as const satisfies Record<string, ErrorEntry>;
