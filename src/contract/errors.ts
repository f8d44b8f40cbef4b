/**
 * The one catalogue of errors: code, HTTP status, kind, message and hint.
 * Every room throws `ShimmyError`; each protocol only dresses it in its own shape.
 * It must not know any protocol. `docs/errors.md` is generated from this table. A code that was once
 * published is never given another meaning.
 */

import { DEPLOY_ERRORS } from "./deploy-errors.ts";
import { isMissingPart, PACKAGE_ERRORS } from "./package-errors.ts";
import { REMOTE_ERRORS } from "./remote-errors.ts";
import { UPSTREAM_ERRORS } from "./upstream-errors.ts";

/** What a caller can do about it; protocols map it to their own type names. */
export type ErrorKind = "invalid_request" | "authentication" | "permission" | "not_found" | "rate_limit" | "unavailable" | "internal";

export interface ErrorEntry {
  readonly status: number;
  readonly kind: ErrorKind;
  /** `{name}` is replaced by the detail of that name. */
  readonly message: string;
  /** What to do next, one sentence. */
  readonly hint?: string;
}

const table = {
  // The request as bytes
  invalid_json: {
    status: 400,
    kind: "invalid_request",
    message: "The request body is not valid JSON: {reason}",
    hint: "Send one JSON object.",
  },
  unsupported_content_type: {
    status: 415,
    kind: "invalid_request",
    message: "Content-Type '{type}' is not supported",
    hint: "Send Content-Type: application/json.",
  },
  body_too_large: {
    status: 413,
    kind: "invalid_request",
    message: "The request body is larger than {limit} bytes",
    hint: "Raise --max-body-size, or send less.",
  },
  unknown_route: {
    status: 404,
    kind: "not_found",
    message: "There is no route {method} {path}",
    hint: "See GET / for the routes of this server.",
  },
  method_not_allowed: { status: 405, kind: "invalid_request", message: "{path} does not answer {method}; it answers {allowed}" },
  request_stalled: { status: 408, kind: "invalid_request", message: "No byte of the request's body came for {seconds} s" },
  client_closed: { status: 499, kind: "invalid_request", message: "The client closed the request" },

  // The request as words
  invalid_value: { status: 400, kind: "invalid_request", message: "Invalid value for '{param}': {reason}" },
  modality_not_supported: {
    status: 400,
    kind: "invalid_request",
    message: "'{param}' is {what}: this engine build has no vision and no audio, it reads and writes only text",
    hint: "Leave it out, or send text.",
  },
  template_error: {
    status: 400,
    kind: "invalid_request",
    message: "The chat template of {model} cannot render these messages (line {line}): {reason}",
    hint: "Change the order or roles of the messages, or give another template.",
  },
  context_length_exceeded: {
    status: 400,
    kind: "invalid_request",
    message:
      "This model's maximum context length is {n_ctx} tokens. However, your messages resulted in {n_prompt_tokens} tokens. Please reduce the length of the messages.",
    hint: "Send less, or serve the model with a larger --ctx.",
  },
  model_not_found: {
    status: 404,
    kind: "not_found",
    message: "The model '{model}' does not exist. Available models: {available}",
    hint: "List them with GET /v1/models or `shimmy list`.",
  },
  invalid_alias: {
    status: 400,
    kind: "invalid_request",
    message: "'{alias}' cannot be an alias: {reason}",
  },
  response_not_found: {
    status: 404,
    kind: "not_found",
    message: "There is no response '{id}' here",
    hint: "Responses are kept unless store is false, up to the limits of --responses-max and --responses-bytes.",
  },
  previous_response_not_found: {
    status: 404,
    kind: "not_found",
    message: "Previous response with id '{id}' not found",
    hint: "It was never kept (store: false), was deleted, or made room for newer ones: send the whole conversation as input.",
  },
  item_not_found: {
    status: 404,
    kind: "not_found",
    message: "Item with id '{id}' not found",
    hint: "Only items of kept responses can be referred to: send the item itself.",
  },
  response_not_running: {
    status: 400,
    kind: "invalid_request",
    message: "The response '{id}' is not running: it is {status}",
  },
  adapter_not_found: {
    status: 404,
    kind: "not_found",
    message: "The model '{model}' has no LoRA adapter '{adapter}'. Its adapters: {available}",
    hint: "Ask for the model alone, or name an adapter file with --lora.",
  },
  adapter_unusable: { status: 400, kind: "invalid_request", message: "The LoRA adapter '{adapter}' cannot be used: {reason}" },
  infill_unsupported: {
    status: 400,
    kind: "invalid_request",
    message: "This model cannot fill in the middle: its vocabulary has no token for {missing}",
    hint: "Name a model that was trained for it, such as Qwen2.5-Coder, StarCoder2 or CodeGemma; `shimmy list` shows what each can do.",
  },
  model_not_generative: { status: 400, kind: "invalid_request", message: "The model '{model}' cannot generate text: it is {what}" },
  model_makes_no_vectors: {
    status: 400,
    kind: "invalid_request",
    message: "The model '{model}' makes no vectors of texts: it is {what}",
    hint: "Ask an embedding model; GET /v1/models tells what each model can do.",
  },

  // Who may ask
  missing_api_key: {
    status: 401,
    kind: "authentication",
    message: "This server needs an API key",
    hint: "Send Authorization: Bearer KEY or x-api-key: KEY.",
  },
  invalid_api_key: { status: 401, kind: "authentication", message: "The API key is not valid" },
  host_not_allowed: {
    status: 403,
    kind: "permission",
    message: "The Host header '{host}' is not allowed",
    hint: "Use localhost, or name the host with --allowed-hosts.",
  },
  origin_not_allowed: {
    status: 403,
    kind: "permission",
    message: "The browser origin '{origin}' is not allowed",
    hint: "Allow it with --cors-origins.",
  },

  // What the server cannot do now
  queue_full: {
    status: 429,
    kind: "rate_limit",
    message: "The queue of {model} is full ({queued} waiting)",
    hint: "Try again after the time of Retry-After.",
  },
  queue_timeout: {
    status: 429,
    kind: "rate_limit",
    message: "The request waited {seconds} s for {model} and its turn did not come",
    hint: "Try again after the time of Retry-After, or raise --max-queue-time.",
  },
  shutting_down: { status: 503, kind: "unavailable", message: "The server is shutting down" },
  model_no_room: {
    status: 503,
    kind: "unavailable",
    message: "There is no room for '{model}': it needs about {need_mib} MiB, the memory budget is {budget_mib} MiB, and {reason}",
    hint: "Unload a model, raise --memory-budget or --max-loaded-models, or serve it with a smaller --ctx.",
  },
  model_unloaded: {
    status: 503,
    kind: "unavailable",
    message: "The model '{model}' was unloaded while this request waited for it",
    hint: "Send the request again; the model is loaded for it.",
  },
  no_slot: { status: 503, kind: "unavailable", message: "No slot is idle" },
  model_load_failed: { status: 503, kind: "unavailable", message: "The model '{model}' could not be loaded: {reason}" },
  engine_gone: {
    status: 503,
    kind: "unavailable",
    message: "The engine of '{model}' stopped while it worked on this request: {reason}",
    hint: "Send the request again; the engine is restarted.",
  },
  engine_unavailable: {
    status: 503,
    kind: "unavailable",
    message: "The engine library cannot be used on this machine: {reason}",
    hint: "Run `npm install` again without --omit=optional.",
  },
  device_not_found: {
    status: 503,
    kind: "unavailable",
    message: "There is no device '{name}' here. Devices: {available}",
    hint: "See `shimmy gpu-info`; --gpu takes auto, off, a backend or the name of a device.",
  },
  engine_install_failed: {
    status: 500,
    kind: "internal",
    message: "{name} could not be installed: {reason}",
    hint: "Nothing was changed; run the command again.",
  },

  ...PACKAGE_ERRORS,
  ...UPSTREAM_ERRORS,

  // Files and batches
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

  // A model file
  model_file_missing: { status: 404, kind: "not_found", message: "There is no model file at {path}" },
  model_file_invalid: { status: 503, kind: "unavailable", message: "{path} is not a usable GGUF file: {reason}" },
  model_not_verified: {
    status: 503,
    kind: "unavailable",
    message: "The model '{model}' was not loaded: {reason}",
    hint: "Run `shimmy verify` for the details, and get the file again; --verify off loads it all the same.",
  },
  lock_file: {
    status: 500,
    kind: "internal",
    message: "shimmy.lock cannot be used: {reason}",
    hint: "Repair it, or remove it and make it anew with `shimmy verify --write`.",
  },

  // Pulling from the hub
  offline: {
    status: 403,
    kind: "permission",
    message: "Shimmy is offline: it fetches nothing from other machines",
    hint: "Leave out --offline (SHIMMY_OFFLINE, HF_HUB_OFFLINE) to pull models.",
  },
  hub_repo_missing: {
    status: 404,
    kind: "not_found",
    message: "{host} has no model repository '{repo}' that can be read",
    hint: "Check the spelling; a private repository needs a token in HF_TOKEN.",
  },
  hub_revision_missing: { status: 404, kind: "not_found", message: "{repo} has no branch, tag or commit '{revision}'" },
  hub_variant_missing: { status: 404, kind: "not_found", message: "{repo} has no {what}. It has: {available}" },
  hub_access_denied: {
    status: 403,
    kind: "permission",
    message: "The hub does not give out {repo} ({page}): {reason}",
    hint: "Ask for access on its page, then set HF_TOKEN to a token of your account (or run `hf auth login`).",
  },
  hub_unreachable: {
    status: 503,
    kind: "unavailable",
    message: "The hub cannot be used now: {reason}",
    hint: "Pull again later: what was fetched is kept. HTTPS_PROXY and HF_ENDPOINT are honoured.",
  },
  hub_answer_invalid: { status: 502, kind: "unavailable", message: "The hub's answer cannot be used: {reason}" },
  checksum_mismatch: {
    status: 502,
    kind: "unavailable",
    message: "{file} came with another content than its checksum says; it was thrown away",
    hint: "Pull again; if it stays, something between here and the hub changes what is sent.",
  },
  disk_full: {
    status: 507,
    kind: "unavailable",
    message: "There is too little room for this pull: {needed} needed, {free} free",
    hint: "Make room, choose a smaller quantisation, or another folder with --pull-dir.",
  },
  pull_folder_unusable: {
    status: 503,
    kind: "unavailable",
    message: "The folder of pulled models cannot be written: {reason}",
    hint: "Name another with --pull-dir.",
  },
  not_pulled: {
    status: 404,
    kind: "not_found",
    message: "Shimmy did not pull a model '{model}', so it removes nothing",
    hint: "Models that were put there by others are removed by whoever put them there.",
  },
  pull_running: { status: 409, kind: "invalid_request", message: "'{model}' is being pulled by process {pid}; end that first" },
  confirmation_needed: {
    status: 400,
    kind: "invalid_request",
    message: "Nobody can be asked whether {what} may be removed",
    hint: "Say --yes.",
  },
  ...DEPLOY_ERRORS,
  ...REMOTE_ERRORS,

  // Configuration and start
  invalid_setting: { status: 500, kind: "internal", message: "{source}: {name}: {value} is not allowed: {reason}" },
  unknown_setting: { status: 500, kind: "internal", message: "{source}: unknown key '{name}'. {allowed}" },
  config_file: { status: 500, kind: "internal", message: "{path} cannot be read as configuration: {reason}" },
  address_in_use: {
    status: 500,
    kind: "internal",
    message: "The address {address} is already in use",
    hint: "Use --bind auto, or another port.",
  },
  insecure_bind: {
    status: 500,
    kind: "internal",
    message: "{address} can be reached from other machines and no API key is set",
    hint: "Set --api-key (or SHIMMY_API_KEY), or say --insecure.",
  },

  internal: { status: 500, kind: "internal", message: "Internal error" },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof table;

/** The catalogue, for the documentation and its test. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = table;

export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/**
 * A failure of the catalogue. `details` fill the message and are told to the caller, so nothing secret may be in them.
 * @example throw new ShimmyError("invalid_value", { param: "temperature", reason: "must be at least 0" })
 */
export class ShimmyError extends Error {
  override readonly name = "ShimmyError";
  constructor(
    readonly code: ErrorCode,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(fill(ERRORS[code].message, details), options);
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get kind(): ErrorKind {
    return ERRORS[this.code].kind;
  }

  get hint(): string | undefined {
    return ERRORS[this.code].hint;
  }

  /** The field of the request that is at fault, if one is. */
  get param(): string | undefined {
    const { param } = this.details;
    if (typeof param === "string") return param;
    return this.code === "model_not_found" ? "model" : undefined;
  }

  /** From anything thrown: a `ShimmyError` as it is, a part of Shimmy that is gone, all else as `internal`, whose text stays in the log. */
  static from(error: unknown): ShimmyError {
    if (error instanceof ShimmyError) return error;
    return new ShimmyError(isMissingPart(error) ? "package_replaced" : "internal", {}, { cause: error });
  }
}

function fill(message: string, details: ErrorDetails): string {
  return message.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = details[name];
    return Array.isArray(value) ? value.join(", ") : String(value ?? "unknown");
  });
}
