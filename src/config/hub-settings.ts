/** Rows of the table about models from the Hugging Face hub. Gathered by `table.ts`. */
import { boolean, integer, optional, path, text } from "./kinds.ts";
import { LISTING, setting } from "./setting.ts";

const PULLING = ["serve", "pull"] as const;

export const HUB_SETTINGS = {
  pullDir: setting({
    kind: optional(path),
    default: undefined,
    flag: "pull-dir",
    env: ["SHIMMY_PULL_DIR"],
    file: "pull_dir",
    help: "Folder of pulled models; unset: shimmy/models in the data folder of the user.",
    commands: [...LISTING, "pull", "rm"],
  }),
  offline: setting({
    kind: boolean,
    default: false,
    flag: "offline",
    env: ["SHIMMY_OFFLINE", "HF_HUB_OFFLINE"],
    file: "offline",
    help: "Fetch nothing from other machines.",
    commands: PULLING,
  }),
  hubEndpoint: setting({
    kind: text("url"),
    default: "https://huggingface.co",
    flag: "hub-endpoint",
    env: ["SHIMMY_HUB_ENDPOINT", "HF_ENDPOINT"],
    file: "hub_endpoint",
    help: "Address of the Hugging Face hub or of a mirror.",
    commands: PULLING,
  }),
  hubToken: setting({
    kind: optional(text("token")),
    default: undefined,
    env: ["SHIMMY_HF_TOKEN", "HF_TOKEN"],
    file: "hub_token",
    help: "Token for gated and private repositories; unset: the one that `hf auth login` keeps. Sent to the hub only.",
    secret: true,
    commands: [],
  }),
  pullConnections: setting({
    kind: integer("n", 1, 16),
    default: 4,
    flag: "pull-connections",
    env: ["SHIMMY_PULL_CONNECTIONS"],
    file: "pull_connections",
    help: "Parts of a file that are fetched at once.",
    commands: PULLING,
  }),
} as const;
