/**
 * Reads the metrics back: samples of all series, and what Prometheus would say of them. Made by metrics.ts for whoever asks first
 * (alerts, the JSON of /metrics); it takes no sample by itself and decides nothing.
 */
import { KEPT_SECONDS, type MetricDescription, type MetricSelector, type MetricsView, MOST_SAMPLES } from "../contract/observation.ts";
import { quantileOf } from "../contract/tally.ts";
import type { MetricValues } from "./metrics.ts";

interface Series {
  readonly index: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

interface Sample {
  /** Milliseconds of a clock that never goes back. */
  readonly at: number;
  /** By the index of the series; NaN or beyond the end: it was not there. */
  readonly values: Float64Array;
}

export class SampledView implements MetricsView {
  readonly #read: () => Promise<readonly MetricValues[]>;
  readonly #now: () => number;
  /** By name, then by labels. */
  readonly #series = new Map<string, Map<string, Series>>();
  #count = 0;
  readonly #samples: Sample[] = [];
  #names: readonly MetricDescription[] = [];

  constructor(read: () => Promise<readonly MetricValues[]>, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  async sample(): Promise<void> {
    let metrics: readonly MetricValues[];
    try {
      metrics = await this.#read();
    } catch {
      return; // the library cannot be loaded: /metrics tells so, and there is nothing to read
    }
    this.#names = metrics.map(({ name, help, type }) => ({ name, help, type }));
    const found: Array<readonly [index: number, value: number]> = [];
    for (const { name, values } of metrics)
      for (const { metricName = name, labels, value } of values) found.push([this.#indexOf(metricName, labels), value]);
    const values = new Float64Array(this.#count).fill(Number.NaN);
    for (const [index, value] of found) values[index] = value;
    const at = this.#now();
    this.#samples.push({ at, values });
    while (this.#samples.length > MOST_SAMPLES || this.#samples[0]!.at < at - KEPT_SECONDS * 1000) this.#samples.shift();
  }

  names(): readonly MetricDescription[] {
    return this.#names;
  }

  latest(selector: MetricSelector): number | undefined {
    return reduced(this.#valuesAt(this.#samples.at(-1), selector), (a, b) => a + b);
  }

  max(selector: MetricSelector): number | undefined {
    return reduced(this.#valuesAt(this.#samples.at(-1), selector), Math.max);
  }

  average(selector: MetricSelector, windowSeconds: number): number | undefined {
    const sums = this.#window(windowSeconds).map((sample) => reduced(this.#valuesAt(sample, selector), (a, b) => a + b));
    const known = sums.filter((sum) => sum !== undefined);
    return known.length === 0 ? undefined : known.reduce((a, b) => a + b) / known.length;
  }

  increase(selector: MetricSelector, windowSeconds: number): number | undefined {
    const window = this.#window(windowSeconds);
    const series = this.#matching(selector);
    if (window.length < 2 || series.length === 0) return undefined;
    return series.reduce((sum, { index }) => sum + growth(window, index), 0);
  }

  rate(selector: MetricSelector, windowSeconds: number): number | undefined {
    const window = this.#window(windowSeconds);
    const increase = this.increase(selector, windowSeconds);
    const seconds = window.length < 2 ? 0 : (window.at(-1)!.at - window[0]!.at) / 1000;
    return increase === undefined || seconds <= 0 ? undefined : increase / seconds;
  }

  quantile(quantile: number, { name, labels }: MetricSelector, windowSeconds: number): number | undefined {
    const window = this.#window(windowSeconds);
    if (window.length < 2) return undefined;
    const below = new Map<number, number>();
    for (const series of this.#matching({ name: `${name}_bucket`, ...(labels && { labels }) })) {
      const bound = series.labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(series.labels.le);
      below.set(bound, (below.get(bound) ?? 0) + growth(window, series.index));
    }
    const bounds = [...below.keys()].sort((a, b) => a - b);
    const counts = bounds.map((bound, i) => Math.max(0, below.get(bound)! - (i === 0 ? 0 : below.get(bounds[i - 1]!)!)));
    return quantileOf({ bounds: bounds.filter(Number.isFinite), counts }, quantile);
  }

  #indexOf(name: string, labels: Series["labels"]): number {
    const ofName = this.#series.get(name) ?? new Map<string, Series>();
    this.#series.set(name, ofName);
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = ofName.get(key);
    if (known) return known.index;
    ofName.set(key, { index: this.#count, labels });
    return this.#count++;
  }

  #matching({ name, labels = {} }: MetricSelector): Series[] {
    const wanted = Object.entries(labels);
    return [...(this.#series.get(name)?.values() ?? [])].filter((series) =>
      wanted.every(([label, value]) => {
        const has = String(series.labels[label] ?? "");
        return typeof value === "string" ? has === value : has.search(value) >= 0;
      }),
    );
  }

  #valuesAt(sample: Sample | undefined, selector: MetricSelector): number[] {
    if (!sample) return [];
    return this.#matching(selector)
      .map(({ index }) => valueIn(sample, index))
      .filter((value) => !Number.isNaN(value));
  }

  #window(seconds: number): Sample[] {
    const latest = this.#samples.at(-1);
    return latest ? this.#samples.filter(({ at }) => at >= latest.at - seconds * 1000) : [];
  }
}

function valueIn({ values }: Sample, index: number): number {
  return values[index] ?? Number.NaN;
}

/** What a counter has grown by. One that was not there counted nothing, for all of them live in this process; one that fell began anew. */
function growth(window: readonly Sample[], index: number): number {
  let sum = 0;
  let before = valueIn(window[0]!, index) || 0;
  for (const sample of window.slice(1)) {
    const value = valueIn(sample, index);
    if (Number.isNaN(value)) before = 0;
    else {
      sum += value >= before ? value - before : value;
      before = value;
    }
  }
  return sum;
}

function reduced(values: readonly number[], combine: (a: number, b: number) => number): number | undefined {
  return values.length === 0 ? undefined : values.reduce((a, b) => combine(a, b));
}
