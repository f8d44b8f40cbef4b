/**
 * What a name in a condition reads. Called by parse.ts. Names are those of /metrics, and the words of the template that stand for them;
 * the kind of a metric shows in its name, as Prometheus asks for (`_total` is a counter, `_seconds` a time).
 */
import { KEY_METRICS } from "../../contract/observation.ts";
import type { Dimension } from "./tokens.ts";

export type Matcher = { readonly label: string; readonly operator: "=" | "!=" | "=~" | "!~"; readonly value: string };

export interface Reading {
  /** gauge: its value; counter: its growth in the window; quantile and mean: of a histogram, in the window. */
  readonly how: "gauge" | "counter" | "quantile" | "mean";
  /** As /metrics spells it; of a histogram without `_bucket`. */
  readonly metric: string;
  readonly labels: readonly Matcher[];
  /** 0 to 1. */
  readonly quantile?: number;
}

/** Words of the template, and their like. Each is an expression of the language, or a histogram's name. */
export const ALIASES: Readonly<Record<string, string>> = {
  startup_time: KEY_METRICS.startup,
  memory_usage: KEY_METRICS.memory,
  expected_model_size: KEY_METRICS.expectedMemory,
  error_rate: `${KEY_METRICS.failures} / ${KEY_METRICS.requests}`,
  queue_depth: KEY_METRICS.queueDepth,
};

/** Only with `_p95`, `_p50`, `_avg` and such: a histogram is no number. */
export const HISTOGRAM_ALIASES: Readonly<Record<string, string>> = {
  request_latency: KEY_METRICS.latency,
  time_to_first_token: KEY_METRICS.timeToFirstToken,
  model_load_time: KEY_METRICS.modelLoad,
};

/** `x_p95`, `x_p999` (99.9 %), `x_avg`. Any other name is a counter if it ends as one, else a gauge. */
export function readingOf(name: string, labels: readonly Matcher[]): Reading {
  const [, histogram, digits] = /^(.+)_(?:p(\d{2,4})|avg)$/.exec(name) ?? [];
  if (histogram !== undefined) {
    const metric = Object.hasOwn(HISTOGRAM_ALIASES, histogram) ? HISTOGRAM_ALIASES[histogram]! : histogram;
    if (digits === undefined) return { how: "mean", metric, labels };
    return { how: "quantile", metric, labels, quantile: Number(`0.${digits}`) };
  }
  return { how: /_(total|count|sum)$/.test(name) ? "counter" : "gauge", metric: name, labels };
}

export function dimensionOf({ metric }: Reading): Dimension {
  const base = metric.replace(/_(total|sum)$/, "");
  if (base.endsWith("_seconds")) return "time";
  return base.endsWith("_bytes") ? "bytes" : "number";
}
