/** The rows of docs/template.md, in the order of the template. Read by template-table.ts, which says what a row is. Data. */
import {
  BASIC,
  BLOCK,
  balancers,
  CONFIG,
  doctor,
  GREEN,
  metrics,
  mutation,
  NOT_BLANK,
  PERFORMANCE,
  plan,
  row,
  template,
} from "./template-proofs.ts";
import { OPERATING_ROWS } from "./template-rows-operate.ts";
import type { Row } from "./template-table.ts";

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
  ...OPERATING_ROWS,
];
