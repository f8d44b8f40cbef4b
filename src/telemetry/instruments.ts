/**
 * The metrics by name: what there is, its labels and buckets. Called once by `metrics.ts` when prom-client has been loaded;
 * it must not import that library itself. A name that was once published keeps its meaning.
 */
import type { Counter, Histogram, Registry } from "prom-client";
import type { EngineGauges, MetricsOptions, ModelGauges } from "./metrics.ts";

type Prometheus = typeof import("prom-client");

export interface Instruments {
  readonly requests: Counter<"route" | "model" | "status">;
  readonly requestDuration: Histogram<"route">;
  readonly timeToFirstToken: Histogram<"model">;
  readonly promptTokens: Counter<"model">;
  readonly cachedTokens: Counter<"model">;
  readonly completionTokens: Counter<"model">;
  readonly modelLoad: Histogram<"model">;
  readonly modelFallbacks: Counter<"step">;
  readonly loadFailures: Counter<"model">;
  readonly unloads: Counter<"model" | "reason">;
  readonly engineRestarts: Counter<"model">;
  readonly backendFailures: Counter<"backend">;
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
    modelFallbacks: counter("shimmy_model_fallbacks_total", "Requests whose model is not there; step: what answered, or none.", "step"),
    loadFailures: counter(
      "shimmy_model_load_failures_total",
      "Loads that failed; tries refused in the rest after one do not count.",
      "model",
    ),
    unloads: counter(
      "shimmy_model_unloads_total",
      "Models let go; reason: room (for another model), keep_alive, asked, changed (the file), abandoned.",
      "model",
      "reason",
    ),
    engineRestarts: counter("shimmy_engine_restarts_total", "Engine processes that died and were started again.", "model"),
    backendFailures: counter(
      "shimmy_backend_failures_total",
      "Backends (cuda, vulkan, metal) that failed, so that the next one took over.",
      "backend",
    ),
  };
}

/** Of loaded models only. */
const ENGINE_GAUGES: ReadonlyArray<readonly [keyof EngineGauges, name: string, help: string]> = [
  ["slots", "shimmy_slots", "Requests that a model works on at once."],
  ["cells", "shimmy_kv_cells", "Cells of the KV cache, one a token."],
  ["cellsUsed", "shimmy_kv_cells_used", "Cells that hold something, of ended conversations too; shared ones count for each."],
  ["storedTokens", "shimmy_kv_store_tokens", "Tokens whose cells were put aside in memory."],
  ["storedBytes", "shimmy_kv_store_bytes", "Memory of the cells that were put aside."],
  ["threads", "shimmy_engine_threads", "Threads that a step uses now."],
  ["stepTokens", "shimmy_step_budget_tokens", "Most tokens of the latest step; 0 before the first."],
];

/** They begin anew with each engine process, as counters may. */
const ENGINE_COUNTERS: ReadonlyArray<readonly [keyof EngineGauges, name: string, help: string]> = [
  ["draftedTokens", "shimmy_drafted_tokens_total", "Tokens that were guessed and computed beside the next one."],
  ["acceptedTokens", "shimmy_accepted_tokens_total", "Guessed tokens that came true."],
];

/** Mirrors of the pool, read when they are asked for, so that they cannot drift from it. */
function addStateGauges({ Counter, Gauge }: Prometheus, registers: Registry[], { models, version }: MetricsOptions): void {
  const perModel = (name: string, help: string, read: (state: ModelGauges) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ["model"],
      registers,
      collect() {
        this.reset();
        for (const state of models()) {
          const value = read(state);
          if (value !== undefined) this.set({ model: state.model }, value);
        }
      },
    });
  perModel("shimmy_queue_depth", "Requests that wait.", (state) => state.queued);
  perModel("shimmy_running_requests", "Requests that are worked on.", (state) => state.running);
  perModel("shimmy_model_memory_bytes", "What a model is counted with against the memory budget.", (state) => state.memoryBytes);
  for (const [key, name, help] of ENGINE_GAUGES) perModel(name, help, ({ engine }) => engine?.[key]);
  for (const [key, name, help] of ENGINE_COUNTERS) {
    new Counter({
      name,
      help,
      labelNames: ["model"],
      registers,
      collect() {
        this.reset();
        for (const { model, engine } of models()) if (engine) this.inc({ model }, engine[key]);
      },
    });
  }
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
