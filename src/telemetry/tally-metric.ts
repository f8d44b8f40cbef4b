/**
 * Histograms that are counted elsewhere (contract/tally.ts), as the registry of prom-client tells them: its own ones can only be observed
 * into. Made by the files that name the metrics.
 */
import type { Histogram, MetricValueWithName, Registry } from "prom-client";
import type { TallyCounts } from "../contract/tally.ts";

/** Adds a histogram whose series are read at each scrape. */
export function addTallies(
  registers: readonly Registry[],
  name: string,
  help: string,
  labelNames: readonly string[],
  read: () => Iterable<readonly [labels: Readonly<Record<string, string>>, tally: TallyCounts]>,
): void {
  const get = async () => ({
    ...{ name, help, aggregator: "sum", type: "histogram" },
    values: [...read()].flatMap(([labels, tally]) => valuesOf(name, labels, tally)),
  });
  // All that a registry asks of a metric is its name and `get`; help and labels are for whoever lists them.
  const metric = { name, help, labelNames, get } as unknown as Histogram;
  for (const registry of registers) registry.registerMetric(metric);
}

function valuesOf(name: string, labels: Readonly<Record<string, string>>, { bounds, counts, sum }: TallyCounts) {
  let below = 0;
  const values: MetricValueWithName<string>[] = bounds.map((le, i) => {
    below += counts[i]!;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  const total = below + counts[bounds.length]!;
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: total });
  values.push({ metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: total });
  return values;
}
