/** Rows of the table about answers of the Responses API that are kept. Gathered by `table.ts`. */
import { bytes, integer, optional, path } from "./kinds.ts";
import { SERVE, setting } from "./setting.ts";

export const RESPONSE_SETTINGS = {
  responsesDir: setting({
    kind: optional(path),
    default: undefined,
    flag: "responses-dir",
    env: ["SHIMMY_RESPONSES_DIR"],
    file: "responses_dir",
    help: "Folder of kept answers of the Responses API; unset: shimmy/responses in the data folder of the user.",
    commands: SERVE,
  }),
  responsesMax: setting({
    kind: integer("n", 0, 100_000, "none"),
    default: 1000,
    flag: "responses-max",
    env: ["SHIMMY_RESPONSES_MAX"],
    file: "responses_max",
    help: "Answers of the Responses API that are kept, for 30 days at most; the oldest go first.",
    commands: SERVE,
  }),
  responsesBytes: setting({
    kind: bytes,
    default: 268_435_456,
    flag: "responses-bytes",
    env: ["SHIMMY_RESPONSES_BYTES"],
    file: "responses_bytes",
    help: "Space that all kept answers of the Responses API may take.",
    commands: SERVE,
  }),
} as const;
