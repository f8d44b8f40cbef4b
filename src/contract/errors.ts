/**
 * The one catalogue of errors: code, HTTP status, kind, message and hint.
 * Every room throws `ShimmyError`; each protocol only dresses it in its own shape.
 * It must not know any protocol. `docs/errors.md` is generated from this table. A code that was once
 * published is never given another meaning.
 */

import { DEPLOY_ERRORS } from "./deploy-errors.ts";
import { FILE_ERRORS } from "./file-errors.ts";
import { HUB_ERRORS } from "./hub-errors.ts";
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

  ...FILE_ERRORS,

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

  ...HUB_ERRORS,
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
