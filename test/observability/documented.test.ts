/**
 * docs/metrics.md lists every metric, as the registry itself tells it, and says which one stands for what the integration template, the
 * issue and the original's list of metrics ask for. Written anew by `npx vitest run test/observability/documented.test.ts -u`.
 */
import { resolve } from "node:path";
import * as library from "prom-client";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addAlertGauge, createInstruments } from "../../src/telemetry/instruments.ts";

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly type: string;
}

async function described(): Promise<Described[]> {
  const registry = new Registry();
  const nothing = { version: "1", models: () => [], memory: () => undefined, start: () => undefined, upstreams: () => [] };
  createInstruments(library, registry, { ...nothing, hot: { gaps: new Map(), inProgress: 0 } });
  addAlertGauge(library, [registry], () => []);
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  const all = registry.getMetricsAsArray() as unknown as readonly Described[];
  return all
    .map(({ name, help, labelNames }) => ({ name, help, labelNames, type: types.get(name)! }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What is asked for, and what is there instead where it cannot be true. */
const WANTED: ReadonlyArray<readonly [asked: string, series: readonly string[], remark?: string]> = [
  ["Template: Startup Time", ["shimmy_startup_seconds"]],
  [
    "Template: Memory Usage (base, and model overhead)",
    ["shimmy_base_memory_bytes", "shimmy_memory_bytes", "shimmy_expected_memory_bytes", "shimmy_model_memory_bytes"],
  ],
  ["Template: Request Latency (first token)", ["gen_ai_server_time_to_first_token_seconds", "shimmy_time_to_first_token_seconds"]],
  ["Template: Request Latency (total)", ["gen_ai_server_request_duration_seconds", "shimmy_request_duration_seconds"]],
  ["Template: Error Rate", ["shimmy_request_failures_total", "shimmy_requests_total"], "the first over the second"],
  ["Template: Model Load Time", ["shimmy_model_load_seconds"]],
  ["Request: count, error rate", ["shimmy_requests_total", "shimmy_request_failures_total"]],
  [
    "Request: latency, processing time",
    [
      "shimmy_request_duration_seconds",
      "shimmy_prefill_seconds",
      "shimmy_inter_token_seconds",
      "gen_ai_server_time_per_output_token_seconds",
    ],
  ],
  [
    "Request: queue depth and wait",
    [
      "shimmy_queue_depth",
      "shimmy_running_requests",
      "shimmy_requests_in_progress",
      "shimmy_queue_wait_seconds",
      "shimmy_load_wait_seconds",
    ],
  ],
  [
    "Request: cache hit, miss and size",
    [
      "shimmy_prompt_cache_requests_total",
      "shimmy_cached_tokens_total",
      "shimmy_kv_cells",
      "shimmy_kv_cells_used",
      "shimmy_kv_store_tokens",
      "shimmy_kv_store_bytes",
    ],
  ],
  ["Request: tokens", ["shimmy_prompt_tokens_total", "shimmy_completion_tokens_total", "gen_ai_client_token_usage"]],
  [
    "Engine: batch size, step time, speculation",
    [
      "shimmy_batch_sequences",
      "shimmy_batch_tokens",
      "shimmy_step_seconds",
      "shimmy_step_budget_tokens",
      "shimmy_drafted_tokens_total",
      "shimmy_accepted_tokens_total",
      "shimmy_slots",
    ],
  ],
  ["Resource: CPU", ["process_cpu_seconds_total", "shimmy_engine_cpu_seconds_total", "shimmy_engine_threads", "shimmy_machine_cpus"]],
  [
    "Resource: memory",
    [
      "process_resident_memory_bytes",
      "shimmy_gateway_private_memory_bytes",
      "shimmy_engine_resident_memory_bytes",
      "shimmy_machine_memory_bytes",
      "shimmy_machine_free_memory_bytes",
      "shimmy_memory_budget_bytes",
      "shimmy_memory_budget_used_bytes",
    ],
  ],
  [
    "Resource: GPU",
    [
      "shimmy_device_info",
      "shimmy_device_memory_bytes",
      "shimmy_device_free_memory_bytes",
      "shimmy_device_held_memory_bytes",
      "shimmy_model_device",
      "shimmy_model_gpu_layers",
      "shimmy_backend_failures_total",
    ],
  ],
  [
    "Resource: model loads and memory",
    [
      "shimmy_model_load_seconds",
      "shimmy_model_load_failures_total",
      "shimmy_model_unloads_total",
      "shimmy_models_loaded",
      "shimmy_model_memory_bytes",
    ],
  ],
  [
    "Resource: connection pool",
    [
      "shimmy_upstream_in_flight",
      "shimmy_upstream_requests_total",
      "shimmy_upstream_breaker_state",
      "shimmy_upstream_breaker_opens_total",
      "nodejs_active_resources",
    ],
  ],
  ["Resource: event loop", ["nodejs_eventloop_delay_seconds", "nodejs_eventloop_utilization"]],
  ["Resource: disk, network", [], "not told: node_exporter measures them for the whole machine"],
  [
    "Business: model popularity, per-model performance",
    ["shimmy_requests_total", "shimmy_time_to_first_token_seconds"],
    "by the label `model`",
  ],
  ["Business: usage patterns, capacity trend", ["shimmy_requests_total", "shimmy_queue_depth"], "over time, in Prometheus"],
  ["Business: cost per request, user behaviour", [], "not told: nobody tells us a price, and no metric names a user"],
  ["Health: errors by type", ["shimmy_request_failures_total"], "by the label `code`"],
  ["Health: warnings, alerts, degradation", ["shimmy_alert_firing", "shimmy_engine_restarts_total", "shimmy_model_fallbacks_total"]],
  ["Itself", ["shimmy_build_info", "process_start_time_seconds", "shimmy_trace_spans_total"]],
];

function unitOf({ name, type }: Described): string {
  const base = name.replace(/_total$/, "");
  if (name === "process_start_time_seconds") return "seconds since 1970";
  if (/_seconds$/.test(base)) return "seconds";
  if (/_bytes$/.test(base)) return "bytes";
  if (/tokens|token_usage|kv_cells/.test(base)) return "tokens";
  if (/utilization$/.test(base)) return "share";
  return type === "counter" ? "times" : "number";
}

const table = (head: readonly string[], rows: ReadonlyArray<readonly string[]>) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(", ");

test("docs/metrics.md tells every metric as it is", async () => {
  const all = await described();
  const page = `# Metrics

\`GET /metrics\` tells them in Prometheus' text format; with \`?format=json\`, or to a client that takes JSON and no plain text, as JSON in the
Rust original's shape (\`gpu_detected\`, \`models\`, \`system\`, \`features\`, \`endpoints\`), with \`devices\`, \`key_metrics\` and all the rest beside it.
Histograms are told there as count, sum, p50, p95 and p99. \`--no-metrics\` stops the counting of requests. A label \`model\` is the id of the model that
answered, or \`unknown\`; \`route\` is the pattern of a route; nothing that a client wrote is a label. Series of engines begin anew with each engine.
Series of devices are there while a model is loaded by an engine with a GPU.

## What is asked for, and what it is here

${table(
  ["asked for", "here", ""],
  WANTED.map(([asked, series, remark = ""]) => [asked, code(series), remark]),
)}

## All of them

${table(
  ["name", "type", "unit", "labels", "meaning"],
  all.map((metric) => [code([metric.name]), metric.type, unitOf(metric), code(metric.labelNames), metric.help]),
)}

This page is written by \`npx vitest run test/observability/documented.test.ts -u\`; \`test/observability/list.test.ts\` checks each value.
`;
  await expect(page).toMatchFileSnapshot(resolve("docs/metrics.md"));
});

test("every metric stands for something that is asked for, and nothing stands for a metric that is not there", async () => {
  const named = new Set(WANTED.flatMap(([, series]) => series));
  expect([...named].sort()).toEqual((await described()).map(({ name }) => name).sort());
});

test("every metric has a meaning, and a name as Prometheus asks for", async () => {
  for (const { name, help, type } of await described()) {
    expect(help.length).toBeGreaterThan(10);
    expect([name, /^(shimmy|gen_ai|process|nodejs)_[a-z0-9_]+$/.test(name)]).toEqual([name, true]);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
  }
});
