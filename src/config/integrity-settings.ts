/** The settings of the check of model files. Part of table.ts. */
import { choice, optional, path } from "./kinds.ts";
import { ENGINE, setting } from "./setting.ts";

export const INTEGRITY_SETTINGS = {
  verify: setting({
    kind: choice("off", "warn", "require"),
    default: "warn",
    flag: "verify",
    env: ["SHIMMY_VERIFY"],
    file: "verify",
    help: "Content of model files before a load: warn refuses what is known to differ from its digest, require reads every file once and refuses what has no digest or differs, off looks at the structure only.",
    commands: ENGINE,
  }),
  lockFile: setting({
    kind: optional(path),
    default: undefined,
    flag: "lock-file",
    env: ["SHIMMY_LOCK_FILE"],
    file: "lock_file",
    help: "File with the digests of your models, made by `shimmy verify --write`; unset: shimmy.lock in the current folder.",
    commands: [...ENGINE, "verify"],
  }),
};
