/**
 * The one table of settings. Flags, environment, file, `--help`, docs/settings.md, `shimmy config` and the type of the
 * configuration all come from here; a setting exists if and only if it has a row. Read by the other files of this room.
 */

import { ALERT_SETTINGS } from "./alert-settings.ts";
import { ENGINE_SETTINGS } from "./engine-settings.ts";
import { FILE_SETTINGS } from "./file-settings.ts";
import { HUB_SETTINGS } from "./hub-settings.ts";
import { INTEGRITY_SETTINGS } from "./integrity-settings.ts";
import { address, boolean, bytes, choice, duration, integer, optional, path, paths, text, words } from "./kinds.ts";
import { LIFECYCLE_SETTINGS } from "./lifecycle-settings.ts";
import { KEY_SETTINGS, NAME_SETTINGS } from "./name-settings.ts";
import { RESPONSE_SETTINGS } from "./responses-settings.ts";
import { CONNECTING, ENGINE, LISTING, SERVE, type Setting, setting } from "./setting.ts";
import { UPSTREAM_SETTINGS } from "./upstream-settings.ts";

export type { CommandName, Setting } from "./setting.ts";

const table = {
  // Where to listen, and who may ask
  bind: setting({
    kind: address,
    default: "auto",
    flag: "bind",
    env: ["SHIMMY_BIND_ADDRESS", "SHIMMY_BIND"],
    file: "bind",
    help: "Address to listen on; auto is 127.0.0.1 with the port setting, and the next free port if nobody named one.",
    commands: CONNECTING,
  }),
  port: setting({
    kind: integer("port", 0, 65_535),
    default: 11_435,
    flag: "port",
    env: ["SHIMMY_PORT"],
    file: "port",
    help: "Port to listen on; 0 lets the kernel choose.",
    commands: CONNECTING,
  }),
  apiKey: setting({
    kind: words("key", /^[\x21-\x7e]+$/, "a key of printable ASCII characters without spaces"),
    default: [],
    flag: "api-key",
    env: ["SHIMMY_API_KEY"],
    file: "api_key",
    help: "Keys of which each request must carry one (Bearer or x-api-key).",
    secret: true,
    commands: CONNECTING,
  }),
  ...KEY_SETTINGS,
  insecure: setting({
    kind: boolean,
    default: false,
    flag: "insecure",
    env: ["SHIMMY_INSECURE"],
    file: "insecure",
    help: "Allow other machines to connect although no API key is set.",
    commands: SERVE,
  }),
  allowedHosts: setting({
    kind: words("hosts", /^[^\s/]+$/, "a host name"),
    default: [],
    flag: "allowed-hosts",
    env: ["SHIMMY_ALLOWED_HOSTS"],
    file: "allowed_hosts",
    help: "Values of the Host header that are accepted besides localhost and the address itself.",
    commands: SERVE,
  }),
  corsOrigins: setting({
    kind: words("origins", /^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/]+)$/i, "an origin such as https://example.org, or *"),
    default: [],
    flag: "cors-origins",
    env: ["SHIMMY_CORS_ORIGINS", "SHIMMY_ALLOWED_ORIGINS"],
    file: "cors_origins",
    help: "Browser origins that are accepted besides those on localhost.",
    commands: SERVE,
  }),

  // Models
  modelDirs: setting({
    kind: paths(),
    default: [],
    flag: "model-dirs",
    env: ["SHIMMY_MODEL_DIRS", "SHIMMY_MODEL_PATHS"],
    file: "model_dirs",
    help: "Folders with GGUF models, besides ./models.",
    commands: LISTING,
  }),
  modelStores: setting({
    kind: words(
      "auto|off|stores",
      /^(auto|off|ollama|lm-studio|hugging-face|llama-cpp|jan|home)$/,
      "auto, off, ollama, lm-studio, hugging-face, llama-cpp, jan or home",
    ),
    default: ["auto"],
    flag: "model-stores",
    env: ["SHIMMY_MODEL_STORES"],
    file: "model_stores",
    help: "Stores of other programs whose models are offered too; auto is all of them, home is ~/models and Shimmy's own folder.",
    commands: LISTING,
  }),
  modelPath: setting({
    kind: optional(path),
    default: undefined,
    flag: "model-path",
    env: ["SHIMMY_BASE_GGUF"],
    file: "model_path",
    help: "One GGUF file to serve; it is the default model then.",
    commands: LISTING,
  }),
  defaultModel: setting({
    kind: optional(text("name")),
    default: undefined,
    flag: "default-model",
    env: ["SHIMMY_DEFAULT_MODEL", "SHIMMY_MODEL"],
    file: "default_model",
    help: "Model that answers when a request names none, or one that is not there.",
    commands: ENGINE,
  }),
  embeddedModel: setting({
    kind: boolean,
    default: true,
    flag: "embedded-model",
    env: ["SHIMMY_EMBEDDED_MODEL"],
    file: "embedded_model",
    help: "Offer the small model that comes with the package (shimmy-tiny).",
    commands: LISTING,
  }),
  ...NAME_SETTINGS,
  strictModels: setting({
    kind: boolean,
    default: false,
    flag: "strict-models",
    env: ["SHIMMY_STRICT_MODELS"],
    file: "strict_models",
    help: "Answer an unknown model name with an error instead of the next best model.",
    commands: ENGINE,
  }),
  preload: setting({
    kind: words("models", /^\S+$/, "a model name without spaces"),
    default: [],
    flag: "preload",
    env: ["SHIMMY_PRELOAD"],
    file: "preload",
    help: "Models to load at start (default is the default model); until they are loaded, /health says loading.",
    commands: SERVE,
  }),
  ...LIFECYCLE_SETTINGS,
  ...UPSTREAM_SETTINGS,
  chatTemplateFile: setting({
    kind: optional(path),
    default: undefined,
    flag: "chat-template-file",
    env: ["SHIMMY_CHAT_TEMPLATE_FILE"],
    file: "chat_template_file",
    help: "Jinja chat template to use instead of the one in the model file.",
    commands: ENGINE,
  }),

  ...HUB_SETTINGS,
  ...RESPONSE_SETTINGS,
  ...INTEGRITY_SETTINGS,

  ...ENGINE_SETTINGS,
  maxQueue: setting({
    kind: integer("n", 0, 100_000),
    default: 64,
    flag: "max-queue",
    env: ["SHIMMY_MAX_QUEUE"],
    file: "max_queue",
    help: "Requests that may wait for one model before others are told to come back later (429).",
    commands: SERVE,
  }),
  maxQueueTime: setting({
    kind: duration,
    default: 600_000,
    flag: "max-queue-time",
    env: ["SHIMMY_MAX_QUEUE_TIME"],
    file: "max_queue_time",
    help: "How long a request may wait for its turn before it is told to come back later (429); 0 is without limit.",
    commands: SERVE,
  }),
  maxTokensDefault: setting({
    kind: integer("tokens", 0, 16_777_216, "unlimited"),
    default: 0,
    flag: "max-tokens-default",
    env: ["SHIMMY_MAX_TOKENS_DEFAULT"],
    file: "max_tokens_default",
    help: "Length of an answer in tokens when the request sets none; unlimited is until the context is full.",
    commands: SERVE,
  }),

  ...FILE_SETTINGS,
  ...ALERT_SETTINGS,

  // The server itself
  maxBodySize: setting({
    kind: bytes,
    default: 32 * 1024 ** 2,
    flag: "max-body-size",
    env: ["SHIMMY_MAX_BODY_SIZE"],
    file: "max_body_size",
    help: "Largest request body.",
    commands: SERVE,
  }),
  ssePingInterval: setting({
    kind: duration,
    default: 2000,
    flag: "sse-ping-interval",
    env: ["SHIMMY_SSE_PING_INTERVAL"],
    file: "sse_ping_interval",
    help: "Silence in a stream after which a comment keeps the connection alive; 0 sends none.",
    commands: SERVE,
  }),
  drainTimeout: setting({
    kind: duration,
    default: 30_000,
    flag: "drain-timeout",
    env: ["SHIMMY_DRAIN_TIMEOUT"],
    file: "drain_timeout",
    help: "How long running requests may finish after SIGTERM.",
    commands: SERVE,
  }),
  drainSettle: setting({
    kind: duration,
    default: 250,
    flag: "drain-settle",
    env: ["SHIMMY_DRAIN_SETTLE"],
    file: "drain_settle",
    help: "How long after SIGTERM everything is still answered while /health says draining; then connections are refused. Best as long as two health checks of what sends requests.",
    commands: SERVE,
  }),
  logLevel: setting({
    kind: choice("error", "warn", "info", "debug"),
    default: "info",
    flag: "log-level",
    env: ["SHIMMY_LOG_LEVEL"],
    file: "log_level",
    help: "Least important lines that are logged (to stderr).",
    commands: LISTING,
  }),
  metrics: setting({
    kind: boolean,
    default: true,
    flag: "metrics",
    env: ["SHIMMY_METRICS"],
    file: "metrics",
    help: "Count and time requests for /metrics; without it only what the server and its engines hold is told there.",
    commands: SERVE,
  }),
  logFormat: setting({
    kind: choice("text", "json"),
    default: "text",
    flag: "log-format",
    env: ["SHIMMY_LOG_FORMAT"],
    file: "log_format",
    help: "Log lines for people or for programs (the field names of pino).",
    commands: SERVE,
  }),
  features: setting({
    kind: words("names", /^[\w.-]+$/, "a feature name"),
    default: [],
    env: [],
    file: "features",
    help: "Accepted for files written for the Rust original (huggingface, llama …); everything is always built in, so it changes nothing.",
    commands: [],
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingKey = keyof typeof table;

/** What the program is told to do: one frozen object. Durations are milliseconds, sizes bytes, paths absolute. */
export type Config = { readonly [K in SettingKey]: (typeof table)[K] extends Setting<infer T> ? T : never };

/** The rows, for code that treats all settings alike. */
export const SETTINGS: Readonly<Record<SettingKey, Setting<unknown>>> = table;

export const SETTING_KEYS = Object.keys(table) as readonly SettingKey[];

/** Names the file itself, so it cannot be in it; a flag of every command. */
export const CONFIG_FILE = {
  key: "config",
  flag: "config",
  env: "SHIMMY_CONFIG",
  placeholder: "<file>",
  help: "Configuration file to read instead of shimmy.yaml here or in the user's configuration folder.",
} as const;
