/** A part of the catalogue of errors: pulling models from the hub, and removing what was pulled. Read by errors.ts only. */
import type { ErrorEntry } from "./errors.ts";

export const HUB_ERRORS = {
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
} as const satisfies Record<string, ErrorEntry>;
