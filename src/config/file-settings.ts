/** Rows of the table about stored files and batches (/v1/files, /v1/batches). Gathered by `table.ts`. */
import { boolean, bytes, integer } from "./kinds.ts";
import { SERVE, setting } from "./setting.ts";

export const FILE_SETTINGS = {
  files: setting({
    kind: boolean,
    default: true,
    flag: "files",
    env: ["SHIMMY_FILES"],
    file: "files",
    help: "Store uploaded files and run batches (/v1/files, /v1/batches), in the data folder of the user.",
    commands: SERVE,
  }),
  maxFileSize: setting({
    kind: bytes,
    default: 512 * 1024 ** 2,
    flag: "max-file-size",
    env: ["SHIMMY_MAX_FILE_SIZE"],
    file: "max_file_size",
    help: "Largest uploaded file.",
    commands: SERVE,
  }),
  maxFilesSize: setting({
    kind: bytes,
    default: 4 * 1024 ** 3,
    flag: "max-files-size",
    env: ["SHIMMY_MAX_FILES_SIZE"],
    file: "max_files_size",
    help: "Most that all stored files may take together before no more are taken; with several API keys each has an even share of it.",
    commands: SERVE,
  }),
  fileExpiry: setting({
    kind: integer("days", 0, 3650, "never"),
    default: 30,
    flag: "file-expiry",
    env: ["SHIMMY_FILE_EXPIRY"],
    file: "file_expiry",
    help: "Days after which a stored file or a finished batch is removed, unless its sender said otherwise.",
    commands: SERVE,
  }),
  batchParallel: setting({
    kind: integer("n", 0, 256, "auto"),
    default: 0,
    flag: "batch-parallel",
    env: ["SHIMMY_BATCH_PARALLEL"],
    file: "batch_parallel",
    help: "Requests of batches that are worked on at once; auto is half of what the loaded models work on at once.",
    commands: SERVE,
  }),
} as const;
