/**
 * GET /metrics as JSON: the fields of the Rust original, all of them true, and what it had not: the figures of the requests. Called by
 * own-routes.ts, loaded with the first such request.
 */
import { freemem, totalmem } from "node:os";
import type { HardwareReport } from "../contract/hardware.ts";
import { KEY_METRICS } from "../contract/observation.ts";
import { quantileOf } from "../contract/tally.ts";
import { DEVICE_METRICS } from "../telemetry/memory-metrics.ts";
import type { MetricValues } from "../telemetry/metrics.ts";
import type { Services } from "./services.ts";

const MEGABYTE = 1024 * 1024;
const GPU_KINDS: readonly string[] = ["gpu", "integrated"];
const VENDORS: ReadonlyArray<readonly [RegExp, vendor: string]> = [
  [/nvidia|geforce|cuda|tesla|rtx/i, "nvidia"],
  [/amd|radeon|rocm/i, "amd"],
  [/intel|arc/i, "intel"],
  [/apple|metal/i, "apple"],
];

/** Drivers are opened to find out, in a process of their own: once, for a GPU does not come and go while a server runs. */
const reports = new WeakMap<Services["hardware"], Promise<HardwareReport>>();

function reportOf({ hardware }: Services): Promise<HardwareReport> {
  const known = reports.get(hardware);
  if (known) return known;
  const report = hardware.report();
  reports.set(hardware, report);
  report.catch(() => reports.delete(hardware));
  return report;
}

function gpuOf({ engines }: HardwareReport): { gpu_detected: boolean; gpu_vendor: string | null } {
  const gpu = engines.flatMap(({ devices }) => devices).find(({ kind }) => GPU_KINDS.includes(kind));
  const vendor = gpu && VENDORS.find(([pattern]) => pattern.test(`${gpu.description} ${gpu.name}`))?.[1];
  return { gpu_detected: gpu !== undefined, gpu_vendor: gpu ? (vendor ?? "unknown") : null };
}

export async function metricsJson(services: Services, endpoints: readonly string[]) {
  const [read, statuses, report] = await Promise.all([services.metrics.read(), services.models(), reportOf(services)]);
  const manual = statuses.filter(({ info }) => info.source === "given file").length;
  return {
    service: "shimmy",
    version: services.version,
    uptime_seconds: Math.round((Date.now() - services.startedAt) / 1000),
    ...gpuOf(report),
    models: {
      total_count: statuses.length,
      total_size_mb: megabytes(statuses.reduce((sum, { info }) => sum + info.sizeBytes, 0)),
      by_type: { discovered: statuses.length - manual, manual },
    },
    system: {
      memory_total_mb: megabytes(totalmem()),
      memory_free_mb: megabytes(freemem()),
      memory_available_mb: megabytes(report.availableBytes),
    },
    devices: devicesOf(read),
    features: { llama: true, huggingface: services.puller.online },
    endpoints: [...endpoints],
    timestamp: new Date().toISOString(),
    key_metrics: keyMetrics(read),
    metrics: read.map(plain),
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}

/** GPUs that engines of loaded models know. */
function devicesOf(read: readonly MetricValues[]) {
  const valuesOf = (name: string) => read.find((metric) => metric.name === name)?.values ?? [];
  const mebibytes = (name: string, device: unknown) => megabytes(valuesOf(name).find(({ labels }) => labels.device === device)?.value ?? 0);
  return valuesOf(DEVICE_METRICS.info).map(({ labels: { device, description, kind, backend } }) => ({
    ...{ name: device, description, kind, backend },
    memory_total_mb: mebibytes(DEVICE_METRICS.total, device),
    memory_free_mb: mebibytes(DEVICE_METRICS.free, device),
    memory_held_mb: mebibytes(DEVICE_METRICS.held, device),
  }));
}

/** The template's, since the start of the server. */
function keyMetrics(read: readonly MetricValues[]) {
  const byName = new Map(read.map((metric) => [metric.name, metric]));
  const valuesOf = (name: string) => byName.get(name)?.values ?? [];
  const sum = (name: string) => valuesOf(name).reduce((total, { value }) => total + value, 0);
  const gauge = (name: string) => valuesOf(name)[0]?.value ?? null;
  const requests = sum(KEY_METRICS.requests);
  return {
    startup_seconds: gauge(KEY_METRICS.startup),
    base_memory_bytes: gauge("shimmy_base_memory_bytes"),
    memory_bytes: gauge(KEY_METRICS.memory),
    expected_memory_bytes: gauge(KEY_METRICS.expectedMemory),
    requests,
    error_rate: requests === 0 ? null : sum(KEY_METRICS.failures) / requests,
    time_to_first_token_seconds: distribution(valuesOf(KEY_METRICS.timeToFirstToken)),
    request_duration_seconds: distribution(valuesOf(KEY_METRICS.latency)),
    model_load_seconds: distribution(valuesOf(KEY_METRICS.modelLoad)),
  };
}

/** Histograms as their quantiles, everything else as it is. */
function plain({ name, type, help, values }: MetricValues) {
  if (type !== "histogram") return { name, type, help, values: values.map(({ labels, value }) => ({ labels, value })) };
  const series = new Map<string, { labels: object; values: MetricValues["values"][number][] }>();
  for (const value of values) {
    const { le: _, ...labels } = value.labels;
    const key = JSON.stringify(labels);
    const one = series.get(key) ?? { labels, values: [] };
    one.values.push(value);
    series.set(key, one);
  }
  return { name, type, help, values: [...series.values()].map((one) => ({ labels: one.labels, ...distribution(one.values) })) };
}

/** Of all series together. */
function distribution(values: MetricValues["values"]) {
  const below = new Map<number, number>();
  let count = 0;
  let sum = 0;
  for (const { metricName = "", labels, value } of values) {
    if (metricName.endsWith("_sum")) sum += value;
    else if (metricName.endsWith("_count")) count += value;
    else if (labels.le !== "+Inf") below.set(Number(labels.le), (below.get(Number(labels.le)) ?? 0) + value);
  }
  const bounds = [...below.keys()].sort((a, b) => a - b);
  const upTo = [...bounds.map((bound) => below.get(bound)!), count];
  const counts = upTo.map((value, i) => value - (upTo[i - 1] ?? 0));
  const quantile = (q: number) => quantileOf({ bounds, counts }, q) ?? null;
  return { count, sum, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}
