/** Rows of the catalogue of errors: what `init` and `plan` refuse, and a Node that is too old. Gathered by errors.ts. */
import type { ErrorEntry } from "./errors.ts";

export const DEPLOY_ERRORS = {
  node_too_old: {
    status: 500,
    kind: "internal",
    message: "Shimmy needs Node 20.19 or later; this is Node {version}",
    hint: "Install a newer one from nodejs.org, or with `nvm install 22`.",
  },
  unknown_template: {
    status: 404,
    kind: "not_found",
    message: "There is no template '{name}'; there are {names}",
    hint: "`shimmy init --list` says what each one writes.",
  },
  file_exists: {
    status: 409,
    kind: "invalid_request",
    message: "Nothing was written, since this would be overwritten: {files}",
    hint: "Say --force to overwrite it, or --out for another folder.",
  },
  cannot_write: { status: 500, kind: "internal", message: "{path} cannot be written: {reason}" },
  not_measured: {
    status: 500,
    kind: "internal",
    message: "The run that was to be measured failed: {reason}",
    hint: "`shimmy probe` says whether the model loads on this machine.",
  },
  flags_needed: {
    status: 400,
    kind: "invalid_request",
    message: "Nobody can be asked for what is not said: {flags}",
    hint: "Say these flags, or run it in a terminal.",
  },
} as const satisfies Record<string, ErrorEntry>;
