/**
 * A dashboard for Grafana over our metrics: what is asked, how quickly it is answered, what models hold, how the alerts stand.
 * Called by `shimmy dashboard export`. Its test holds that every metric in it exists.
 */
import { KEY_METRICS } from "../../contract/observation.ts";

/** Grafana's own names of units. */
type Unit = "s" | "bytes" | "percentunit" | "reqps" | "short";

interface Panel {
  readonly title: string;
  readonly unit: Unit;
  /** Expressions with their legends. */
  readonly lines: ReadonlyArray<readonly [expression: string, legend: string]>;
}

/** Chosen instances; every series of ours has the label, for Prometheus sets it. */
const HERE = 'instance=~"$instance"';
const RATE = "[$__rate_interval]";

const per = (label: string, metric: string) => `sum by (${label}) (rate(${metric}{${HERE}}${RATE}))`;
const now = (label: string, metric: string) => `sum by (${label}) (${metric}{${HERE}})`;
const quantile = (q: number, metric: string): readonly [string, string] => [
  `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket{${HERE}}${RATE})))`,
  `p${q * 100}`,
];
const quantiles = (metric: string) => [quantile(0.5, metric), quantile(0.95, metric), quantile(0.99, metric)];
const { failures, requests } = KEY_METRICS;

export const PANELS: readonly Panel[] = [
  { title: "Requests", unit: "reqps", lines: [[per("route", requests), "{{route}}"]] },
  {
    title: "Error rate",
    unit: "percentunit",
    lines: [[`(sum(rate(${failures}{${HERE}}${RATE})) or vector(0)) / sum(rate(${requests}{${HERE}}${RATE}))`, "failed"]],
  },
  { title: "Firing alerts", unit: "short", lines: [[now("alert", "shimmy_alert_firing"), "{{alert}}"]] },
  { title: "Latency", unit: "s", lines: quantiles(KEY_METRICS.latency) },
  { title: "Time to first token", unit: "s", lines: quantiles(KEY_METRICS.timeToFirstToken) },
  { title: "Between two tokens", unit: "s", lines: quantiles("shimmy_inter_token_seconds") },
  { title: "Wait in the queue", unit: "s", lines: quantiles("shimmy_queue_wait_seconds") },
  { title: "Time to load a model", unit: "s", lines: quantiles(KEY_METRICS.modelLoad) },
  {
    title: "Tokens a second",
    unit: "short",
    lines: [
      [per("model", "shimmy_completion_tokens_total"), "generated, {{model}}"],
      [per("model", "shimmy_prompt_tokens_total"), "prompts, {{model}}"],
      [per("model", "shimmy_cached_tokens_total"), "of these cached, {{model}}"],
    ],
  },
  {
    title: "Requests now",
    unit: "short",
    lines: [
      [now("model", "shimmy_running_requests"), "running, {{model}}"],
      [now("model", KEY_METRICS.queueDepth), "waiting, {{model}}"],
    ],
  },
  {
    title: "KV cache in use",
    unit: "percentunit",
    lines: [[`${now("model", "shimmy_kv_cells_used")} / ${now("model", "shimmy_kv_cells")}`, "{{model}}"]],
  },
  {
    title: "Sequences in a step",
    unit: "short",
    lines: [[`${per("model", "shimmy_batch_sequences_sum")} / ${per("model", "shimmy_batch_sequences_count")}`, "{{model}}"]],
  },
  {
    title: "Guessed tokens that came true",
    unit: "percentunit",
    lines: [[`${per("model", "shimmy_accepted_tokens_total")} / ${per("model", "shimmy_drafted_tokens_total")}`, "{{model}}"]],
  },
  {
    title: "Processors in use",
    unit: "short",
    lines: [
      [per("instance", "process_cpu_seconds_total"), "gateway, {{instance}}"],
      [per("model", "shimmy_engine_cpu_seconds_total"), "engine, {{model}}"],
    ],
  },
  {
    title: "Memory",
    unit: "bytes",
    lines: [
      [now("instance", KEY_METRICS.memory), "used, {{instance}}"],
      [now("instance", KEY_METRICS.expectedMemory), "expected, {{instance}}"],
    ],
  },
  {
    title: "Memory of models and its budget",
    unit: "bytes",
    lines: [
      [now("instance", "shimmy_memory_budget_used_bytes"), "models, {{instance}}"],
      [now("instance", "shimmy_memory_budget_bytes"), "budget, {{instance}}"],
    ],
  },
  {
    title: "Memory of GPUs",
    unit: "bytes",
    lines: [
      [now("device", "shimmy_device_memory_bytes"), "there is, {{device}}"],
      [now("device", "shimmy_device_free_memory_bytes"), "free, {{device}}"],
      [now("device", "shimmy_device_held_memory_bytes"), "models, {{device}}"],
    ],
  },
  { title: "Start-up time", unit: "s", lines: [[now("instance", KEY_METRICS.startup), "{{instance}}"]] },
  {
    title: "Models: loads, unloads, restarts",
    unit: "short",
    lines: [
      [`sum by (model) (increase(${KEY_METRICS.modelLoad}_count{${HERE}}${RATE}))`, "loaded, {{model}}"],
      [`sum by (model, reason) (increase(shimmy_model_unloads_total{${HERE}}${RATE}))`, "unloaded, {{model}} ({{reason}})"],
      [`sum by (model) (increase(shimmy_engine_restarts_total{${HERE}}${RATE}))`, "restarted, {{model}}"],
    ],
  },
];

const COLUMNS = 3;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;
const DATASOURCE = { type: "prometheus", uid: `\${datasource}` };

/** In Grafana's JSON model (schema 39, Grafana 11; newer ones migrate it). */
export function grafanaDashboard() {
  return {
    uid: "shimmy",
    title: "Shimmy",
    tags: ["shimmy"],
    schemaVersion: 39,
    timezone: "browser",
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: { list: variables() },
    panels: PANELS.map(panel),
  };
}

function variables() {
  const instance = { query: "label_values(shimmy_build_info, instance)", refId: "instance" };
  return [
    { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
    {
      name: "instance",
      label: "Instance",
      type: "query",
      datasource: DATASOURCE,
      query: instance,
      refresh: 2,
      multi: true,
      includeAll: true,
      current: { text: "All", value: "$__all" },
    },
  ];
}

function panel({ title, unit, lines }: Panel, index: number) {
  return {
    id: index + 1,
    type: "timeseries",
    title,
    datasource: DATASOURCE,
    gridPos: { x: (index % COLUMNS) * WIDTH, y: Math.floor(index / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: lines.map(([expr, legendFormat], line) => ({
      refId: String.fromCharCode(65 + line),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}
