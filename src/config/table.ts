/**
 * The one table of settings. Flags, environment, file, `--help`, docs/settings.md, `shimmy config` and the type of the
 * configuration all come from here; a setting exists if and only if it has a row. Read by the other files of this room.
 */

import { FILE_SETTINGS } from "./file-settings.ts";
import { HUB_SETTINGS } from "./hub-settings.ts";
import { INTEGRITY_SETTINGS } from "./integrity-settings.ts";
import { address, allowance, boolean, bytes, choice, duration, integer, optional, path, paths, text, words } from "./kinds.ts";
import { KEY_SETTINGS, NAME_SETTINGS } from "./name-settings.ts";
import { HARDWARE_ROWS } from "./rows-hardware.ts";
import { LIFECYCLE_ROWS } from "./rows-lifecycle.ts";
import { CONNECTING, ENGINE, LISTING, SERVE, type Setting, setting } from "./setting.ts";

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
  ...LIFECYCLE_ROWS,
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
  ...INTEGRITY_SETTINGS,

  // Engine
  ctx: setting({
    kind: integer("tokens", 0, 16_777_216, "auto"),
    default: 0,
    flag: "ctx",
    env: ["SHIMMY_CTX", "SHIMMY_MAX_CTX"],
    file: "ctx",
    help: "Context of one request in tokens; auto is what the model was trained for, as far as memory allows.",
    commands: ENGINE,
  }),
  parallel: setting({
    kind: integer("n", 0, 256, "auto"),
    default: 0,
    flag: "parallel",
    env: ["SHIMMY_PARALLEL"],
    file: "parallel",
    help: "Requests a model works on at once.",
    commands: SERVE,
  }),
  kv: setting({
    kind: choice("auto", "unified", "separate"),
    default: "auto",
    flag: "kv",
    env: ["SHIMMY_KV"],
    file: "kv",
    help: "KV cache of concurrent requests: unified shares memory and prefixes, separate is faster for unrelated prompts.",
    commands: SERVE,
  }),
  kvType: setting({
    kind: choice("auto", "f16", "q8_0"),
    default: "auto",
    flag: "kv-type",
    env: ["SHIMMY_KV_TYPE"],
    file: "kv_type",
    help: "Elements of the KV cache: q8_0 takes half the memory of f16; auto is f16 unless the context that was asked for fits with q8_0 only.",
    commands: ENGINE,
  }),
  flashAttention: setting({
    kind: choice("auto", "on", "off"),
    default: "auto",
    flag: "flash-attention",
    env: ["SHIMMY_FLASH_ATTENTION"],
    file: "flash_attention",
    help: "Flash attention; auto is on where it is faster. A q8_0 cache needs it.",
    commands: ENGINE,
  }),
  threads: setting({
    kind: integer("n", 0, 1024, "auto"),
    default: 0,
    flag: "threads",
    env: ["SHIMMY_THREADS", "SHIMMY_CPU_THREADS"],
    file: "threads",
    help: "Threads of an engine; auto is the number of physical cores it may use.",
    commands: ENGINE,
  }),
  ...HARDWARE_ROWS,
  batchTokens: setting({
    kind: integer("tokens", 32, 65_536),
    default: 512,
    flag: "batch-tokens",
    env: ["SHIMMY_BATCH_TOKENS"],
    file: "batch_tokens",
    help: "Most tokens that an engine computes in one step.",
    commands: ENGINE,
  }),
  stepTime: setting({
    kind: duration,
    default: 100,
    flag: "step-time",
    env: ["SHIMMY_STEP_TIME"],
    file: "step_time",
    help: "How long a step of an engine should take while somebody reads: longer computes prompts faster, shorter keeps streams smoother.",
    commands: SERVE,
  }),
  speculation: setting({
    kind: choice("auto", "off"),
    default: "auto",
    flag: "speculation",
    env: ["SHIMMY_SPECULATION"],
    file: "speculation",
    help: "Guess tokens from what the text repeats and compute them beside the next one; auto does so while it measurably pays.",
    commands: ENGINE,
  }),
  isolateKeys: setting({
    kind: choice("auto", "on", "off"),
    default: "auto",
    flag: "isolate-keys",
    env: ["SHIMMY_ISOLATE_KEYS"],
    file: "isolate_keys",
    help: "Keep the prompt caches of different API keys apart; auto does so unless only this machine can connect.",
    commands: SERVE,
  }),
  cacheRam: setting({
    kind: optional(allowance),
    default: undefined,
    flag: "cache-ram",
    env: ["SHIMMY_CACHE_RAM"],
    file: "cache_ram",
    help: "Memory for the KV cells of conversations that lost their slot, for each model; unset: as much as its weights take, at most an eighth of what is free.",
    commands: ENGINE,
  }),
  cacheDir: setting({
    kind: optional(path),
    default: undefined,
    flag: "cache-dir",
    env: ["SHIMMY_CACHE_DIR"],
    file: "cache_dir",
    help: "Folder where conversations outlive a restart: their next turn computes only what is new. Prompts can be read from it.",
    commands: SERVE,
  }),
  cacheDisk: setting({
    kind: bytes,
    default: 1024 ** 3,
    flag: "cache-disk",
    env: ["SHIMMY_CACHE_DISK"],
    file: "cache_disk",
    help: "Most that the files in the cache folder may take; the longest unused go first.",
    commands: SERVE,
  }),
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
  logLevel: setting({
    kind: choice("error", "warn", "info", "debug"),
    default: "info",
    flag: "log-level",
    env: ["SHIMMY_LOG_LEVEL"],
    file: "log_level",
    help: "Least important lines that are logged (to stderr).",
    commands: LISTING,
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
