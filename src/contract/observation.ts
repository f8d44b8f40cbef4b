/**
 * What is read back of the metrics: values now, and rates and quantiles over a window. Given by telemetry/view.ts, read by alerts.
 * Plain data; it must not know how metrics are kept. Semantics are those of Prometheus, so that an exported rule means the same.
 */

/** Series of one metric. `name` as /metrics spells it; of a histogram also `…_sum`, `…_count`. */
export interface MetricSelector {
  readonly name: string;
  /** A text is compared whole; an expression is searched. Labels that are not named may have any value. */
  readonly labels?: Readonly<Record<string, string | RegExp>>;
}

export interface MetricDescription {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/**
 * Windows are made of samples, and nothing samples by itself: whoever wants windows calls `sample` every few seconds. A window goes back
 * from the latest sample to the oldest one that it covers; it needs two.
 */
export interface MetricsView {
  /** Reads all metrics. Samples older than `KEPT_SECONDS` are dropped, so are those beyond `MOST_SAMPLES`. Never rejects. */
  sample(): Promise<void>;
  /** Every metric there is. After the first `sample`. */
  names(): readonly MetricDescription[];
  /** The sum of the series in the latest sample. Undefined: there is no such series (of a histogram's own name too). */
  latest(selector: MetricSelector): number | undefined;
  /** The largest of the series in the latest sample. */
  max(selector: MetricSelector): number | undefined;
  /** How much counters have grown in the window; a counter that began anew counts from 0. Undefined: no two samples, no such series. */
  increase(selector: MetricSelector, windowSeconds: number): number | undefined;
  /** `increase` a second, over the time that the samples really cover. */
  rate(selector: MetricSelector, windowSeconds: number): number | undefined;
  /**
   * Of what a histogram (by its own name) counted in the window: linear within a bucket, the last finite bound beyond all of them.
   * `quantile` 0 to 1. Undefined: nothing was observed.
   */
  quantile(quantile: number, selector: MetricSelector, windowSeconds: number): number | undefined;
  /** The mean of a gauge's sums in the samples of the window. */
  average(selector: MetricSelector, windowSeconds: number): number | undefined;
}

/** An hour. */
export const KEPT_SECONDS = 3600;
/** At one in five seconds, an hour. */
export const MOST_SAMPLES = 720;

/** The names that the template's alerts stand on; each is explained by its help text in /metrics. */
export const KEY_METRICS = {
  /** Seconds from the start of the process to listening. Gauge. */
  startup: "shimmy_startup_seconds",
  /** Resident bytes of gateway and engines together. Gauge. */
  memory: "shimmy_memory_bytes",
  /** Bytes that the gateway's base and the loaded models are expected to take. Gauge. */
  expectedMemory: "shimmy_expected_memory_bytes",
  /** Counter: every request; `status` is a label. */
  requests: "shimmy_requests_total",
  /** Counter: those that failed through the server: status 5xx and 429; `code` of the error catalogue is a label. */
  failures: "shimmy_request_failures_total",
  /** Histogram, seconds, of requests that generate or make vectors: from the request to the end of its answer. */
  latency: "gen_ai_server_request_duration_seconds",
  timeToFirstToken: "gen_ai_server_time_to_first_token_seconds",
  modelLoad: "shimmy_model_load_seconds",
  queueDepth: "shimmy_queue_depth",
} as const;
