/** Rows of the table of settings: other servers that answer too. Gathered by `table.ts`. */
import { duration } from "./kinds.ts";
import { SERVE, setting } from "./setting.ts";
import { upstreamList } from "./upstream-list.ts";

export const UPSTREAM_SETTINGS = {
  upstreams: setting({
    kind: upstreamList,
    default: [],
    flag: "upstream",
    env: ["SHIMMY_UPSTREAMS"],
    file: "upstreams",
    help: "Servers of OpenAI's dialect (vLLM, llama-server, another Shimmy) whose models are served too, with the load spread over those that have the same; a key may stand in it.",
    // A key may stand in it.
    secret: true,
    commands: SERVE,
  }),
  upstreamTimeout: setting({
    kind: duration,
    default: 300_000,
    flag: "upstream-timeout",
    env: ["SHIMMY_UPSTREAM_TIMEOUT"],
    file: "upstream_timeout",
    help: "How long an upstream may be silent before its answer is given up.",
    commands: SERVE,
  }),
} as const;
