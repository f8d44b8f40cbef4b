/** Rows of the table of settings: how many models are loaded, and for how long. Read by table.ts. */
import { bytes, integer, keepAlive, orAuto, words } from "./kinds.ts";
import { SERVE, setting } from "./setting.ts";

export const LIFECYCLE_SETTINGS = {
  memoryBudget: setting({
    kind: orAuto(bytes),
    default: undefined,
    flag: "memory-budget",
    env: ["SHIMMY_MEMORY_BUDGET"],
    file: "memory_budget",
    help: "Memory of all loaded models together; auto is nine tenths of what the machine or container has free. The least recently used idle models make room.",
    commands: SERVE,
  }),
  maxLoadedModels: setting({
    kind: integer("n", 0, 10_000, "unlimited"),
    default: 0,
    flag: "max-loaded-models",
    env: ["SHIMMY_MAX_LOADED_MODELS"],
    file: "max_loaded_models",
    help: "Models that may be loaded at once, whatever memory they take.",
    commands: SERVE,
  }),
  keepAlive: setting({
    kind: keepAlive,
    default: -1,
    flag: "keep-alive",
    env: ["SHIMMY_KEEP_ALIVE"],
    file: "keep_alive",
    help: "How long an unused model stays loaded: 5m, seconds, 0 for not at all, -1 until its room is needed. Requests may say otherwise.",
    commands: SERVE,
  }),
  pin: setting({
    kind: words("models", /^\S+$/, "a model name without spaces"),
    default: [],
    flag: "pin",
    env: ["SHIMMY_PIN"],
    file: "pin",
    help: "Models that stay once they are loaded: they make room for no other, and no keep-alive ends them.",
    commands: SERVE,
  }),
};
