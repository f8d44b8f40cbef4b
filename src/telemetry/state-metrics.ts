/**
 * Metrics that mirror the pool and its engines: read when they are asked for, so that they cannot drift from what they tell.
 * Added by instruments.ts. A name that was once published keeps its meaning.
 */
import type { Registry } from "prom-client";
import type { TallyCounts } from "../contract/tally.ts";
import type { EngineGauges, ModelGauges } from "./metrics.ts";
import { processUsage } from "./process-usage.ts";
import { addTallies } from "./tally-metric.ts";

type Prometheus = typeof import("prom-client");
type Models = () => readonly ModelGauges[];
type NumberOf = { readonly [K in keyof EngineGauges]-?: EngineGauges[K] extends number ? K : never }[keyof EngineGauges];

/** Of loaded models only. */
const ENGINE_GAUGES: ReadonlyArray<readonly [NumberOf, name: string, help: string]> = [
  ["slots", "shimmy_slots", "Requests that a model works on at once."],
  ["cells", "shimmy_kv_cells", "Cells of the KV cache, one a token."],
  ["cellsUsed", "shimmy_kv_cells_used", "Cells that hold something, of ended conversations too; shared ones count for each."],
  ["storedTokens", "shimmy_kv_store_tokens", "Tokens whose cells were put aside in memory."],
  ["storedBytes", "shimmy_kv_store_bytes", "Memory of the cells that were put aside."],
  ["threads", "shimmy_engine_threads", "Threads that a step uses now."],
  ["stepTokens", "shimmy_step_budget_tokens", "Most tokens of the latest step; 0 before the first."],
];

/** They begin anew with each engine process, as counters may. */
const ENGINE_COUNTERS: ReadonlyArray<readonly [NumberOf, name: string, help: string]> = [
  ["draftedTokens", "shimmy_drafted_tokens_total", "Tokens that were guessed and computed beside the next one."],
  ["acceptedTokens", "shimmy_accepted_tokens_total", "Guessed tokens that came true."],
];

const STEP_TALLIES: ReadonlyArray<readonly ["seconds" | "sequences" | "tokens", name: string, help: string]> = [
  ["seconds", "shimmy_step_seconds", "Time of a step of the engine: one pass through the model."],
  ["sequences", "shimmy_batch_sequences", "Sequences that a step computes for."],
  ["tokens", "shimmy_batch_tokens", "Tokens that a step computes, of prompts and of answers."],
];

export function addStateMetrics(library: Prometheus, registers: Registry[], models: Models): void {
  const { gauge, counter } = makers(library, registers, models);
  gauge("shimmy_queue_depth", "Requests that wait.", ({ queued }) => queued);
  gauge("shimmy_running_requests", "Requests that are worked on.", ({ running }) => running);
  gauge("shimmy_model_memory_bytes", "What a model is counted with against the memory budget.", ({ memoryBytes }) => memoryBytes);
  for (const [key, name, help] of ENGINE_GAUGES) gauge(name, help, ({ engine }) => engine?.[key]);
  for (const [key, name, help] of ENGINE_COUNTERS) counter(name, help, ({ engine }) => engine?.[key]);
  for (const [key, name, help] of STEP_TALLIES) addTallies(registers, name, help, ["model"], () => tallies(models(), key));
  gauge("shimmy_model_gpu_layers", "Layers of a model that are on a GPU; 0: all is on the processor.", (state) =>
    state.loaded ? (state.gpuLayers ?? 0) : undefined,
  );
  gauge("shimmy_engine_resident_memory_bytes", "Resident memory of a model's process, mapped weights counted.", residentBytes);
  counter("shimmy_engine_cpu_seconds_total", "CPU time of a model's process.", ({ pid }) => pid && processUsage(pid)?.cpuSeconds);
  new library.Gauge({
    name: "shimmy_model_device",
    help: "Always 1: the device (CPU, CUDA0, Vulkan1 …) computes a part of the model.",
    labelNames: ["model", "device"],
    registers,
    collect() {
      this.reset();
      for (const { model, loaded, devices } of models())
        if (loaded) for (const device of devices?.length ? devices : ["CPU"]) this.set({ model, device }, 1);
    },
  });
  new library.Gauge({
    name: "shimmy_models_loaded",
    help: "Models that are loaded.",
    registers,
    collect() {
      this.set(models().filter((state) => state.loaded).length);
    },
  });
}

function residentBytes({ pid }: ModelGauges): number | undefined {
  return pid === undefined ? undefined : processUsage(pid)?.residentBytes;
}

/** Of all processes of engines. */
export function enginesResidentBytes(models: readonly ModelGauges[]): number {
  return models.reduce((sum, state) => sum + (residentBytes(state) ?? 0), 0);
}

function* tallies(models: readonly ModelGauges[], key: "seconds" | "sequences" | "tokens") {
  for (const { model, engine } of models) {
    const tally: TallyCounts | undefined = engine?.steps?.[key];
    if (tally) yield [{ model }, tally] as const;
  }
}

/** One series for each model that has a value. */
function makers({ Counter, Gauge }: Prometheus, registers: Registry[], models: Models) {
  type Read = (state: ModelGauges) => number | undefined;
  const labelNames = ["model"] as const;
  const gauge = (name: string, help: string, read: Read) =>
    new Gauge({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset();
        for (const state of models()) {
          const value = read(state);
          if (value !== undefined) this.set({ model: state.model }, value);
        }
      },
    });
  const counter = (name: string, help: string, read: Read) =>
    new Counter({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset();
        for (const state of models()) {
          const value = read(state);
          if (value !== undefined) this.inc({ model: state.model }, value);
        }
      },
    });
  return { gauge, counter };
}
