/** The rows of docs/template.md, in the order of the template. Read by template-table.ts, which says what a row is. Data. */
import type { Proof, Row } from "./template-table.ts";

function row(item: string, by: string, ...proofs: readonly Proof[]): Row {
  return { item, by, proofs };
}

const inFile =
  (file: string) =>
  (name: string): Proof => [file, name];

const template = inFile("test/template.test.ts");
const validate = inFile("test/deploy/validate.test.ts");
const mutation = inFile("test/deploy/validate-mutations.test.ts");
const doctor = inFile("test/deploy/doctor.test.ts");
const plan = inFile("test/deploy/plan.test.ts");
const metrics = inFile("test/observability/metrics.test.ts");
const rule = inFile("src/telemetry/alerts/rule.test.ts");
const live = inFile("test/alerts/live.test.ts");
const balancers = inFile("test/deploy/balancers.test.ts");
const broken = inFile("test/hardware/broken-backend.test.ts");
const resolve = inFile("src/models/resolve.test.ts");
const GREEN = validate("green against itself, with everything measured; what it started has ended");
const DEGRADED = template("Graceful Degradation: serves without a GPU, falls back from model to model, ends with exit code 0");
const BASIC = template("Integration Tests: health, models and a generation by a model that is not there");
const PERFORMANCE = template("Performance Validation: ready in less than two seconds, and ps sees the server of $SHIMMY_PID");
const BLOCK = template("Environment Variables: the block sets the port, the folders and the log level");
const CONFIG = template("Configuration Template: the block is a shimmy.yaml as it stands, the alerts too");
const NOT_BLANK = plan("has nothing blank: neither a placeholder nor a line that was to be filled in as it was");
const KEY_METRICS = metrics("each key metric of the template has a true value after a request");
const CONDITIONS = rule("each condition says what it seems to say");
const WATCHED = live("is watched, and a server that is well fires none of it, with a loaded model too");

export const TEMPLATE_ROWS: ReadonlyArray<readonly [title: string, rows: readonly Row[]]> = [
  [
    "Project Information",
    [
      row("Application Name", "`shimmy init --template integration --application NAME`, or asked for in a terminal", NOT_BLANK),
      row(
        "Integration Type",
        "HTTP as OpenAI's, the library `createShimmy`, the command line. No WebSocket: streams are server-sent events",
        ["test/library.test.ts", "answers every route as the server does"],
        ["test/openai/client.test.ts", "T1 a chat without stream is one object"],
        ["test/cli/generate.test.ts", "prints the answer alone on stdout"],
      ),
      row(
        "Expected Traffic",
        "`--rps`, `--p95`, `--prompt-tokens`, `--answer-tokens` of `shimmy plan` and `init`",
        plan("measures 1, 4 and 8 clients and plans from it, as JSON"),
        ["src/deploy/plan/planner.test.ts", "takes requests a second, a minute, an hour; seconds and milliseconds"],
      ),
      row(
        "Model Requirements",
        "`--model`, whose size, quantisation and parameters are told",
        plan("names a model that is not there, and starts nothing"),
        NOT_BLANK,
      ),
    ],
  ],
  [
    "Constitutional Compliance Check",
    [
      row(
        "5MB Constraint",
        "`shimmy validate`: package size, base memory above bare Node",
        GREEN,
        mutation("package size, no Python (a file), CLI access: a package that is padded, holds a script and lacks a command"),
        mutation(
          "start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server",
        ),
      ),
      row(
        "Startup Speed",
        "`shimmy validate`: start-up time",
        GREEN,
        mutation(
          "start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server",
        ),
      ),
      row(
        "Zero Python Dependencies",
        "`shimmy validate`: no Python, neither a file nor a process",
        GREEN,
        mutation(
          "start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server",
        ),
      ),
      row(
        "API Compatibility",
        "`shimmy validate`: API, six checks; the official clients",
        GREEN,
        mutation("the API: each answer that a client would stumble over"),
        ["test/openai/client.test.ts", "T2, T3, T4, T11 a streamed chat: role first, one end last, and the text of the whole one"],
      ),
      row(
        "CLI Access",
        "`shimmy validate`: CLI access",
        GREEN,
        mutation("package size, no Python (a file), CLI access: a package that is padded, holds a script and lacks a command"),
      ),
    ],
  ],
  [
    "Connection Pattern",
    [
      row(
        "[Your Application] -> [Integration Layer] -> [Shimmy Instance] -> [Model Backend]",
        "the gateway before one engine process for each model; upstreams for more; filled in by `init`",
        NOT_BLANK,
        ["test/upstream/shimmies.test.ts", "models of all are listed once, as models of an upstream"],
      ),
    ],
  ],
  [
    "Configuration Template",
    [
      row('bind: "127.0.0.1:11435"', "`bind` of `shimmy.yaml`, `--bind`; port 0 is one that the system chooses", CONFIG, [
        "test/cli/serve.test.ts",
        "tells the kernel's port for --port 0",
      ]),
      row('model_dirs: "path/to/your/models"', "`model_dirs`, `--model-dirs`", CONFIG, [
        "test/cli/list.test.ts",
        "--model-dirs adds folders, --no-embedded-model takes the embedded one away",
      ]),
      row('features: ["huggingface", "llama"]', "`features`: read and kept; Shimmy has all of them", [
        "src/config/load.test.ts",
        "its configuration block works verbatim",
      ]),
    ],
  ],
  [
    "Environment Variables",
    [
      row("SHIMMY_PORT=11435", "`SHIMMY_PORT`", BLOCK),
      row(
        'SHIMMY_MODEL_DIRS="/path/to/models"',
        "`SHIMMY_MODEL_DIRS`",
        BLOCK,
        template("SHIMMY_MODEL_DIRS adds models, SHIMMY_PORT is the port, SHIMMY_LOG_LEVEL the least level that is logged"),
      ),
      row(
        "SHIMMY_LOG_LEVEL=info",
        "`SHIMMY_LOG_LEVEL`; changeable while it runs",
        BLOCK,
        metrics("the log has one line a request, with times, and its level changes while the server runs"),
      ),
    ],
  ],
  [
    "Standard OpenAI API Usage",
    [
      row("# List available models", "`GET /v1/models`", template("Standard OpenAI API Usage: lists the models and answers")),
      row("# Generate completion", "`POST /v1/chat/completions`", template("Standard OpenAI API Usage: lists the models and answers")),
    ],
  ],
  [
    "CLI Integration",
    [
      row(
        "# List models programmatically",
        "`shimmy list --short`",
        template("CLI Integration: finds the model, starts a server and ends it"),
        ["test/cli/list.test.ts", "--short is one id a line and nothing else"],
      ),
      row("# Health check", "`shimmy serve --bind 127.0.0.1:0`", template("CLI Integration: finds the model, starts a server and ends it")),
      row(
        "# Cleanup",
        "SIGTERM: running answers finish, exit code 0",
        template("CLI Integration: finds the model, starts a server and ends it"),
        ["test/cli/serve.test.ts", "SIGTERM ends it with exit code 0"],
      ),
    ],
  ],
  [
    "Resource Planning",
    [
      row(
        "Memory",
        "`shimmy plan`: base + model + context + cache, measured",
        plan("measures 1, 4 and 8 clients and plans from it, as JSON"),
        NOT_BLANK,
      ),
      row("CPU", "`shimmy plan`: the engine's threads, and what the run kept busy", NOT_BLANK, [
        "src/deploy/plan/planner.test.ts",
        "says that memory was not measured, and counts threads, where the system does not tell",
      ]),
      row("GPU", "`shimmy plan`, `shimmy gpu-info`", NOT_BLANK, [
        "test/hardware/install.test.ts",
        "gpu-info tells the processor and what to type for more",
      ]),
      row("Network", "`shimmy plan`: bits a second, from bytes a token", NOT_BLANK),
    ],
  ],
  [
    "Scaling Patterns",
    [
      row("Single Instance", "`shimmy serve`; docs/scaling.md", BASIC),
      row(
        "Load Balanced",
        "`init --template nginx` and `haproxy`; `upstreams:`",
        balancers("loses nothing that had not begun: an instance killed, an engine killed, one drained, all restarted"),
        ["test/upstream/faults.test.ts", "an upstream that is killed costs only streams that had begun, and none of them is begun again"],
      ),
      row(
        "Containerized",
        "`init --template docker` and `kubernetes`, with limits from the planner",
        [
          "src/deploy/init/templates/templates.test.ts",
          "compose: read-only, without capabilities, limited, given time to drain, and only with a key",
        ],
        ["test/deploy/units.test.ts", "pods: probes, pulled and verified models, nothing that they do not need"],
      ),
      row("Serverless", "`init --template lambda`", [
        "test/deploy/lambda.test.ts",
        "streams: the answer comes in parts, and ends as OpenAI's does",
      ]),
    ],
  ],
  [
    "Integration Tests",
    [
      row("# Basic connectivity test", "`GET /health`", BASIC),
      row("# Model availability test", "`GET /v1/models`", BASIC),
      row("# Generation test", "`POST /v1/chat/completions`: a model that is not there is stood in for", BASIC),
    ],
  ],
  [
    "Performance Validation",
    [
      row("# Startup time test", "the ready line of `shimmy serve`", PERFORMANCE),
      row(
        "# Should complete in <2 seconds",
        "`shimmy validate`: start-up time",
        PERFORMANCE,
        mutation(
          "start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server",
        ),
      ),
      row(
        "# Memory usage test",
        "`ps` sees the server; `shimmy validate`: base memory, memory in use",
        PERFORMANCE,
        mutation("memory in use: 150 MB that no model needs"),
      ),
      row(
        "# VSZ should be reasonable for your constraints",
        "VSZ are addresses, not memory: idle it is at most 0.5 GB more than that of a bare Node server. WebAssembly, which Node's fetch is made with, reserves 10 GB more with the first request and 4 GB where `NODE_OPTIONS=--disable-wasm-trap-handler` is set, as `shimmy doctor` says under `ulimit -v`",
        template("VSZ: not far above a bare server of Node, and what WebAssembly reserves can be left out"),
        doctor("under a limit of addresses a server answers with what doctor says"),
      ),
    ],
  ],
  [
    "Common Error Scenarios",
    [
      row(
        "Model Not Found",
        "the error lists what there is; `shimmy discover` shows where it was looked",
        template("Graceful Degradation, step 4: with no model that may answer, an error with the alternatives"),
        validate("an empty folder"),
      ),
      row(
        "Port Conflicts",
        "without `--port` the next free one is taken; a named one is an error that says so",
        template("Port Conflicts: a second server without a port takes the next free one and says which"),
        validate("is told with who has it"),
      ),
      row(
        "Memory Limits",
        "`shimmy validate`: memory for models; the alert `memory_usage`; evictions in `/metrics`",
        validate("too little memory"),
        mutation("memory in use: 150 MB that no model needs"),
      ),
      row(
        "GPU Issues",
        "`shimmy gpu-info`, `shimmy doctor`, `degraded` of `/health`",
        broken("log, health and metric say so, without a folder of the machine"),
        ["src/deploy/doctor/judges.test.ts", "GPU: the command that brings it into use"],
      ),
    ],
  ],
  [
    "Graceful Degradation",
    [
      row(
        "# Fallback to CPU if GPU fails",
        "an engine whose backend fails rests; the processor answers",
        DEGRADED,
        broken("the request is answered by the processor"),
      ),
      row("# Shimmy automatically handles GPU fallback", "nothing has to be set", broken("it rests: the next load does not try it")),
      row("# Model fallback hierarchy", "`x-shimmy-model-fallback` tells each step; `--strict-models` turns it off", DEGRADED, [
        "test/identity/http.test.ts",
        "family and default are told in the header, in the log and in a metric",
      ]),
      row("# 1. Requested specific model", "by id, alias or spelling", DEGRADED, [
        "test/identity/http.test.ts",
        "an id and an alias are what was asked for: nothing is told",
      ]),
      row(
        "# 2. Similar model in same family",
        "the family of the name",
        DEGRADED,
        resolve("3. a family that cannot generate does not answer"),
      ),
      row(
        "# 3. Default available model",
        "`default_model`, a loaded one, the first",
        DEGRADED,
        resolve("4. the default, for the template's own test-model"),
      ),
      row(
        "# 4. Error with available alternatives",
        "`model_not_found`",
        template("Graceful Degradation, step 4: with no model that may answer, an error with the alternatives"),
        resolve("5. an error with the alternatives if none can generate"),
      ),
    ],
  ],
  [
    "Pre-Deployment",
    [
      row(
        "Models Available",
        "`shimmy validate`: models available, model files",
        GREEN,
        validate("an empty folder"),
        validate("a corrupt model beside a good one"),
      ),
      row(
        "Ports Configured",
        "`shimmy validate`: port. One port is all that a firewall has to let through",
        validate("is told with who has it"),
        template("Firewall Rules: server and engines listen on the one port, and on no other"),
      ),
      row(
        "Resource Limits",
        "`shimmy validate`: memory for models, processors; limits from `shimmy plan`",
        validate("too little memory"),
        mutation("processors: more threads than cores"),
      ),
      row(
        "Dependencies Met",
        "`shimmy validate`: dependencies. Node and llama.cpp's library; no Rust",
        mutation("dependencies: a package whose engine was left out"),
        doctor("an engine that is not there"),
      ),
    ],
  ],
  [
    "Post-Deployment Validation",
    [
      row("Health Check", "`shimmy validate`: health", GREEN, mutation("health: a server that drains"), validate("nobody there")),
      row("Model Discovery", "`shimmy validate`: model discovery", GREEN, validate("no models at all")),
      row("Generation Test", "`shimmy validate`: generation", GREEN, mutation("the API: each answer that a client would stumble over")),
      row(
        "Performance Metrics",
        "`shimmy validate`: start-up time, time to first token, total latency, memory in use",
        mutation(
          "start-up time, base memory, no Python (a process): a start that is stopped for 2 s, 20 MB of ballast, a Python below the server",
        ),
        mutation("time to first token, total latency: an engine that is held up for 5 s before each answer"),
        mutation("memory in use: 150 MB that no model needs"),
      ),
    ],
  ],
  [
    "Key Metrics",
    [
      row("Startup Time", "`shimmy_startup_seconds`", KEY_METRICS),
      row(
        "Memory Usage",
        "`shimmy_memory_bytes`, `shimmy_base_memory_bytes`, `shimmy_engine_resident_memory_bytes`, `shimmy_expected_memory_bytes`",
        KEY_METRICS,
      ),
      row("Request Latency", "`shimmy_time_to_first_token_seconds`, `shimmy_request_duration_seconds`", KEY_METRICS),
      row("Error Rate", "`shimmy_requests_total` by status; `error_rate` of alerts", KEY_METRICS, [
        "test/observability/counts.test.ts",
        "some hundred requests, in turn and at once",
      ]),
      row("Model Load Time", "`shimmy_model_load_seconds`", KEY_METRICS),
    ],
  ],
  [
    "Alerting Thresholds",
    [
      row("startup_time: >2s", "`alerts:` as it stands", CONDITIONS, WATCHED),
      row("memory_usage: >expected_model_size + 100MB", "`alerts:` as it stands", CONDITIONS, WATCHED),
      row("error_rate: >5%", "`alerts:` as it stands", CONDITIONS, WATCHED, rule("without requests there is no error rate and no latency")),
      row(
        "request_latency_p95: >5s",
        "`alerts:` as it stands; `init` puts the stated limit there",
        CONDITIONS,
        WATCHED,
        plan("its commands and settings are the template's own, with this port, model and folder"),
      ),
    ],
  ],
  [
    "Network Security",
    [
      row(
        "Bind Address",
        "127.0.0.1 unless told otherwise; another address needs a key or `--insecure`",
        ["test/doors/bind.test.ts", "--bind %s without a key is refused: exit code 2, and what to do"],
        mutation("access: a server that other machines reach without a key (skipped where there is no network)"),
      ),
      row(
        "Firewall Rules",
        "one port, no other; a network policy in the Kubernetes template",
        template("Firewall Rules: server and engines listen on the one port, and on no other"),
        ["test/deploy/units.test.ts", "base: a set, its services, a budget, a policy, a secret; only what every cluster knows"],
      ),
      row("TLS/HTTPS", "`init --template nginx` or `haproxy` with a certificate, as their README says", [
        "test/deploy/tls.test.ts",
        "with a certificate as its README says",
      ]),
      row(
        "Authentication",
        "`--api-key`, `strict_keys`; `shimmy validate`: access",
        ["test/doors/api-key.test.ts", "no key, another scheme or an empty one is a 401 missing_api_key that names the scheme"],
        validate("a wrong key"),
      ),
    ],
  ],
  [
    "Model Security",
    [
      row(
        "Model Validation",
        "`shimmy verify`, `--verify require`",
        ["test/integrity/server.test.ts", "refuses what does not, and what nobody vouches for, and names no path"],
        ["test/integrity/verify.test.ts", "a .sha256 file is believed: match, and exit code 1 on a mismatch"],
      ),
      row(
        "Access Controls",
        "`shimmy doctor`: permissions, with the folders that are configured and those above; `shimmy verify`, `discover` and the log of a load tell of them too",
        doctor("a model folder that everybody may write, although it is empty"),
        ["test/integrity/verify.test.ts", "a folder that everybody may write is told of"],
        ["src/models/integrity/integrity.test.ts", "a file or folder that everybody may write is told of, once"],
      ),
      row(
        "Input Sanitization",
        "Shimmy's part: no text of a user is a control token or forges a turn. Yours: what your application takes for a prompt",
        ["test/openai/text.test.ts", "T19 a user cannot forge a turn of the conversation"],
      ),
      row(
        "Output Filtering",
        "Shimmy's part: control tokens are in no text, an answer keeps to a schema. Yours: what your users may read",
        ["test/openai/text.test.ts", "T19 %s, forced upon the model, is in no text"],
      ),
    ],
  ],
];
