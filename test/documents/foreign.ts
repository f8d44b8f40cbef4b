/** Names in documents that are not Shimmy's own, each with whose they are. Add to it by hand: what is on no list is taken for a stale name. */

export const FOREIGN_FLAGS: ReadonlySet<string> = new Set([
  ...["--jinja", "--no-repack", "--spec-type", "--answers", "--reranking"], // llama-server
  ...["--omit", "--include", "--global", "--prefix", "--os", "--libc"], // npm
  ...["--test", "--load", "--disable-wasm-trap-handler", "--no-wasm-trap-handler", "--wasm-enforce-bounds-checks"], // node; any word as the third of bench:fuzz
  ...["--build", "--detach", "--wait"], // docker
  ...["--install", "--guided", "--parameter-overrides", "--name", "--service", "--set", "--port"], // helm, sam, railway
  ...["--now", "--include-path", "--checks", "--workers", "--pooling"], // systemctl, schemathesis, llama-server
]);

export const FOREIGN_VARIABLES: readonly string[] = [
  "SHIMMY_PID", // of the shell, in the integration template
  "SHIMMY_FOLD_RUNS", // of a test
  "SHIMMY_URL", // of the applications that are written
  "SHIMMY_MODEL",
];

export const FOREIGN_PATHS: ReadonlySet<string> = new Set([
  ...["/", "/v1", "/dev/stdout", "/proc", "/models", "/data", "/tmp"], // files and prefixes
  ...["/api/chat"], // of the applications that are written
]);
