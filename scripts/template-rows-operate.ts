/** The rows of docs/template.md from its errors to its end. Gathered by template-rows.ts. Data. */
import {
  broken,
  CONDITIONS,
  DEGRADED,
  doctor,
  GREEN,
  KEY_METRICS,
  mutation,
  plan,
  resolve,
  row,
  rule,
  template,
  validate,
  WATCHED,
} from "./template-proofs.ts";
import type { Row } from "./template-table.ts";

export const OPERATING_ROWS: ReadonlyArray<readonly [title: string, rows: readonly Row[]]> = [
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
