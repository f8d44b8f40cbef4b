/** Rows of the table about the names of models: who may be answered by another one, which other names there are, and which adapters. Gathered by `table.ts`. */
import { adapterFiles } from "./adapter-files.ts";
import { assignments, words } from "./kinds.ts";
import { LISTING, SERVE, setting } from "./setting.ts";

export const KEY_SETTINGS = {
  strictKeys: setting({
    kind: words("keys", /^[\x21-\x7e]+$/, "a key of printable ASCII characters without spaces"),
    default: [],
    flag: "strict-keys",
    env: ["SHIMMY_STRICT_KEYS"],
    file: "strict_keys",
    help: "API keys like those of api_key, for whose requests an unknown model name is an error, as strict_models makes it for all.",
    secret: true,
    commands: SERVE,
  }),
} as const;

export const NAME_SETTINGS = {
  aliases: setting({
    kind: assignments("alias=model", "an alias and a model, such as gpt-4o=qwen3-8b or claude-*=default", ["default", "auto"]),
    default: {},
    flag: "alias",
    env: ["SHIMMY_ALIASES"],
    file: "aliases",
    help: "Other names for models; one '*' in an alias stands for any letters, and default for the default model.",
    commands: LISTING,
  }),
  lora: setting({
    kind: adapterFiles,
    default: [],
    flag: "lora",
    env: ["SHIMMY_LORA"],
    file: "lora",
    help: "LoRA adapter for the models that it fits, and the factor of its change (1); it answers as MODEL+NAME, while MODEL stays as it is.",
    commands: LISTING,
  }),
} as const;
