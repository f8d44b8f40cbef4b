/**
 * The metrics by name: what there is, its labels and buckets. Called once by `metrics.ts` when prom-client has been loaded;
 * it must not import that library itself. A name that was once published keeps its meaning. Names that begin with gen_ai are
 * OpenTelemetry's, in Prometheus' spelling, with the buckets that it advises (semantic-conventions: gen-ai/gen-ai-metrics.md).
 */
import type { Counter, Histogram, Registry } from "prom-client";
import { KEY_METRICS } from "../contract/observation.ts";
import { Tally } from "../contract/tally.ts";
import { addMemoryMetrics } from "./memory-metrics.ts";
import type { MemoryGauges, MetricsOptions, ModelGauges, StartFigures } from "./metrics.ts";
import { addProcessMetrics } from "./process-metrics.ts";
import { addStateMetrics } from "./state-metrics.ts";
import { addTallies } from "./tally-metric.ts";
import { addUpstreamMetrics } from "./upstream-metrics.ts";

export { addAlertGauge } from "./alerts/gauge.ts";

type Prometheus = typeof import("prom-client");
type GenAi = "gen_ai_operation_name" | "gen_ai_response_model";

export interface Instruments {
  readonly requests: Counter<"route" | "model" | "status">;
  readonly failures: Counter<"route" | "model" | "code">;
  readonly requestDuration: Histogram<"route">;
  readonly timeToFirstToken: Histogram<"model">;
  readonly queueWait: Histogram<"model">;
  readonly loadWait: Histogram<"model">;
  readonly prefill: Histogram<"model">;
  readonly promptTokens: Counter<"model">;
  readonly cachedTokens: Counter<"model">;
  readonly completionTokens: Counter<"model">;
  readonly promptCache: Counter<"model" | "result">;
  readonly genAiDuration: Histogram<GenAi | "error_type">;
  readonly genAiFirstToken: Histogram<GenAi>;
  readonly genAiPerToken: Histogram<GenAi>;
  readonly genAiTokens: Histogram<GenAi | "gen_ai_token_type">;
  readonly modelLoad: Histogram<"model">;
  readonly modelFallbacks: Counter<"step">;
  readonly loadFailures: Counter<"model">;
  readonly unloads: Counter<"model" | "reason">;
  readonly engineRestarts: Counter<"model">;
  readonly backendFailures: Counter<"backend">;
  readonly spans: Counter<"outcome">;
}

/** What is counted at each token, so without the library. */
export interface HotCounts {
  /** By model: seconds between two pieces of an answer. */
  readonly gaps: ReadonlyMap<string, Tally>;
  inProgress: number;
}

export interface InstrumentSources {
  readonly version: MetricsOptions["version"];
  readonly models: () => readonly ModelGauges[];
  readonly memory: () => MemoryGauges | undefined;
  readonly start: () => StartFigures | undefined;
  readonly hot: HotCounts;
  readonly upstreams?: MetricsOptions["upstreams"];
}

/** Seconds. An answer may take minutes; what matters to a reader of a stream is below one second. */
const DURATION = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const FIRST_TOKEN = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const QUEUE = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const LOAD = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const GAP = [0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5];

/** OpenTelemetry's, and the round figures that alerts are about. */
const GEN_AI_DURATION = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1, 1.28, 2.56, 5, 5.12, 10, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68];
const GEN_AI_FIRST_TOKEN = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const GEN_AI_PER_TOKEN = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const GEN_AI_TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

export const newGapTally = () => new Tally(GAP);

export function createInstruments(library: Prometheus, registry: Registry, sources: InstrumentSources): Instruments {
  const registers = [registry];
  const { version, models, hot } = sources;
  addStateMetrics(library, registers, models);
  addMemoryMetrics(library, registers, sources);
  if (sources.upstreams) addUpstreamMetrics(library, registers, sources.upstreams);
  addProcessMetrics(library, registers, sources);
  const build = { name: "shimmy_build_info", help: "Always 1; the version is the label.", labelNames: ["version"], registers };
  new library.Gauge(build).set({ version }, 1);
  new library.Gauge({
    name: "shimmy_requests_in_progress",
    help: "Requests that are not answered to the end.",
    registers,
    collect() {
      this.set(hot.inProgress);
    },
  });
  addTallies(registers, "shimmy_inter_token_seconds", "Between two pieces of an answer, as its reader gets them.", ["model"], () =>
    [...hot.gaps].map(([model, tally]) => [{ model }, tally] as const),
  );
  return { ...requestInstruments(library, registers), ...genAiInstruments(library, registers), ...modelInstruments(library, registers) };
}

/** Counters and histograms of the registers. */
function makers(library: Prometheus, registers: Registry[]) {
  return {
    counter: <const L extends string>(name: string, help: string, ...labelNames: L[]) =>
      new library.Counter<L>({ name, help, labelNames, registers }),
    histogram: <const L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
      new library.Histogram<L>({ name, help, buckets, labelNames, registers }),
  };
}

function requestInstruments(library: Prometheus, registers: Registry[]) {
  const { counter, histogram } = makers(library, registers);
  const first = "Requests that failed through the server, not through who asked (status 5xx and 429), by code of docs/errors.md.";
  return {
    requests: counter(KEY_METRICS.requests, "Requests answered; status 499: the client left.", "route", "model", "status"),
    failures: counter(KEY_METRICS.failures, first, "route", "model", "code"),
    requestDuration: histogram("shimmy_request_duration_seconds", "From the request to the end of its answer.", DURATION, "route"),
    timeToFirstToken: histogram("shimmy_time_to_first_token_seconds", "From the request to the first text.", FIRST_TOKEN, "model"),
    queueWait: histogram("shimmy_queue_wait_seconds", "From the admission of a request to the first step for it.", QUEUE, "model"),
    loadWait: histogram("shimmy_load_wait_seconds", "How long a request waited for its model, where it had to.", LOAD, "model"),
    prefill: histogram("shimmy_prefill_seconds", "Work on a prompt until the first token.", FIRST_TOKEN, "model"),
    promptTokens: counter("shimmy_prompt_tokens_total", "Tokens of prompts, cached ones included.", "model"),
    cachedTokens: counter("shimmy_cached_tokens_total", "Prompt tokens that were in the KV cache.", "model"),
    completionTokens: counter("shimmy_completion_tokens_total", "Tokens generated.", "model"),
    promptCache: counter(
      "shimmy_prompt_cache_requests_total",
      "Answers by whether a part of the prompt was cached: hit, miss.",
      "model",
      "result",
    ),
    spans: counter("shimmy_trace_spans_total", "Spans by what became of them: exported, dropped.", "outcome"),
  };
}

function genAiInstruments(library: Prometheus, registers: Registry[]) {
  const { histogram } = makers(library, registers);
  const labels = ["gen_ai_operation_name", "gen_ai_response_model"] as const;
  return {
    genAiDuration: histogram(KEY_METRICS.latency, "From a request to the end of its answer.", GEN_AI_DURATION, ...labels, "error_type"),
    genAiFirstToken: histogram(KEY_METRICS.timeToFirstToken, "From a request to its first token.", GEN_AI_FIRST_TOKEN, ...labels),
    genAiPerToken: histogram(
      "gen_ai_server_time_per_output_token_seconds",
      "Of an answer: time per token after the first one.",
      GEN_AI_PER_TOKEN,
      ...labels,
    ),
    genAiTokens: histogram(
      "gen_ai_client_token_usage",
      "Tokens of requests, by type: input, output.",
      GEN_AI_TOKENS,
      ...labels,
      "gen_ai_token_type",
    ),
  };
}

function modelInstruments(library: Prometheus, registers: Registry[]) {
  const { counter, histogram } = makers(library, registers);
  const unloaded = "Models let go; reason: room (for another model), keep_alive, asked, changed (the file), abandoned.";
  return {
    modelLoad: histogram(KEY_METRICS.modelLoad, "Time to load a model.", LOAD, "model"),
    modelFallbacks: counter("shimmy_model_fallbacks_total", "Requests whose model is not there; step: what answered, or none.", "step"),
    loadFailures: counter(
      "shimmy_model_load_failures_total",
      "Loads that failed; tries refused in the rest after one do not count.",
      "model",
    ),
    unloads: counter("shimmy_model_unloads_total", unloaded, "model", "reason"),
    engineRestarts: counter("shimmy_engine_restarts_total", "Engine processes that died and were started again.", "model"),
    backendFailures: counter(
      "shimmy_backend_failures_total",
      "Backends (cuda, vulkan, metal) that failed, so that the next one took over.",
      "backend",
    ),
  };
}
