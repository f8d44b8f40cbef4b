/** Rows of the catalogue of errors: servers that commands talk to, and what `bench` refuses. Gathered by errors.ts. */
import type { ErrorEntry } from "./errors.ts";

export const REMOTE_ERRORS = {
  server_unreachable: {
    status: 503,
    kind: "unavailable",
    message: "No Shimmy server answers at {url}: {reason}",
    hint: "Start one with `shimmy serve`, or name it with --url.",
  },
  server_refused: { status: 502, kind: "unavailable", message: "The server at {url} answered {status}: {message}" },
  key_refused: {
    status: 401,
    kind: "authentication",
    message: "The server at {url} answered {status}: {message}",
    hint: "Give a key of that server in SHIMMY_API_KEY, or with --api-key.",
  },
  unknown_workload: {
    status: 400,
    kind: "invalid_request",
    message: "There is no workload '{name}'{meant}; there are {names}",
    hint: "`shimmy bench --list` says what each one does.",
  },
  target_unreachable: {
    status: 503,
    kind: "unavailable",
    message: "No server answers at {url}: {reason}",
    hint: "Start it, or correct --url or --against.",
  },
  not_openai: {
    status: 502,
    kind: "unavailable",
    message: "What answers at {url} is no OpenAI-compatible server: {reason}",
    hint: "Give the address before /v1, such as http://127.0.0.1:8080.",
  },
  first_request_failed: {
    status: 502,
    kind: "unavailable",
    message: "The server at {url} did not answer a first request to the model '{model}': {reason}",
    hint: "Nothing was measured. Ask it by hand, or name another model.",
  },
  target_too_slow: {
    status: 504,
    kind: "unavailable",
    message: "The server at {url} had not answered a single request of {words} words and {tokens} tokens after {seconds} s",
    hint: "Nothing was measured. It is busy or slow: end what else it does, or go on with `--tokens 4 --workloads decode --clients 1`; a request may then take 5 minutes.",
  },
} as const satisfies Record<string, ErrorEntry>;
