/**
 * The metrics by name: what there is, its labels and buckets. Called once by `metrics.ts` when prom-client has been loaded;
 * it must not import that library itself. A name that was once published keeps its meaning.
 */
import type { Counter, Histogram, Registry } from "prom-client";
import type { MetricsOptions } from "./metrics.ts";

type Prometheus = typeof import("prom-client");

export interface Instruments {
  readonly requests: Counter<"route" | "model" | "status">;
  readonly requestDuration: Histogram<"route">;
  readonly timeToFirstToken: Histogram<"model">;
  readonly promptTokens: Counter<"model">;
  readonly cachedTokens: Counter<"model">;
  readonly completionTokens: Counter<"model">;
  readonly modelLoad: Histogram<"model">;
  readonly engineRestarts: Counter<"model">;
}

/** Seconds. An answer may take minutes; what matters to a reader of a stream is below one second. */
const DURATION = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const FIRST_TOKEN = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LOAD = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export function createInstruments(library: Prometheus, registry: Registry, options: MetricsOptions): Instruments {
  const registers = [registry];
  const counter = <const L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new library.Counter<L>({ name, help, labelNames, registers });
  const histogram = <const L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new library.Histogram<L>({ name, help, buckets, labelNames, registers });

  addStateGauges(library, registers, options);
  addProcessMetrics(library, registers);
  return {
    requests: counter("shimmy_requests_total", "Requests answered; status 499: the client left.", "route", "model", "status"),
    requestDuration: histogram("shimmy_request_duration_seconds", "From the request to the end of its answer.", DURATION, "route"),
    timeToFirstToken: histogram("shimmy_time_to_first_token_seconds", "From the request to the first text.", FIRST_TOKEN, "model"),
    promptTokens: counter("shimmy_prompt_tokens_total", "Tokens of prompts, cached ones included.", "model"),
    cachedTokens: counter("shimmy_cached_tokens_total", "Prompt tokens that were in the KV cache.", "model"),
    completionTokens: counter("shimmy_completion_tokens_total", "Tokens generated.", "model"),
    modelLoad: histogram("shimmy_model_load_seconds", "Time to load a model.", LOAD, "model"),
    engineRestarts: counter("shimmy_engine_restarts_total", "Engine processes that died and were started again.", "model"),
  };
}

/** Mirrors of the pool, read when they are asked for, so that they cannot drift from it. */
function addStateGauges({ Gauge }: Prometheus, registers: Registry[], { models, version }: MetricsOptions): void {
  const perModel = (name: string, help: string, read: (state: ReturnType<MetricsOptions["models"]>[number]) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["model"],
      registers,
      collect() {
        this.reset();
        for (const state of models()) this.set({ model: state.model }, read(state));
      },
    });
  perModel("shimmy_queue_depth", "Requests that wait.", (state) => state.queued);
  perModel("shimmy_running_requests", "Requests that are worked on.", (state) => state.running);
  new Gauge({
    name: "shimmy_models_loaded",
    help: "Models that are loaded.",
    registers,
    collect() {
      this.set(models().filter((state) => state.loaded).length);
    },
  });
  new Gauge({ name: "shimmy_build_info", help: "Always 1; the version is the label.", labelNames: ["version"], registers }).set(
    { version },
    1,
  );
}

/** The standard names, of the gateway process. Not the library's default set: that starts timers and observers for good. */
function addProcessMetrics({ Counter, Gauge }: Prometheus, registers: Registry[]): void {
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory of the gateway.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of the gateway, user and system.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({ name: "process_start_time_seconds", help: "Start of the gateway since the epoch.", registers }).set(
    Math.floor(Date.now() / 1000 - process.uptime()),
  );
}
