/**
 * What /metrics tells, in Prometheus text. The server records requests, the pool loads and restarts; alerts read back by `view()`.
 * prom-client costs 2.3 MB, so it is loaded with the first request that counts, or the first scrape. Labels are bounded:
 * a model is an id of the catalogue or "unknown", a route is the pattern of the route, never what a client wrote.
 */
import type { Registry } from "prom-client";
import type { AlertStatus } from "../contract/alerts.ts";
import type { DeviceUse } from "../contract/hardware.ts";
import type { UnloadReason } from "../contract/lifecycle.ts";
import type { MetricsView } from "../contract/observation.ts";
import type { Tally, TallyCounts } from "../contract/tally.ts";
import { amount, countRequest, type RequestOutcome } from "./count-request.ts";
import type { HotCounts, Instruments } from "./instruments.ts";
import type { UpstreamGauges } from "./upstream-metrics.ts";

export type { RequestOutcome } from "./count-request.ts";

export interface ModelGauges {
  /** Id in the catalogue. */
  readonly model: string;
  readonly queued: number;
  readonly running: number;
  readonly loaded: boolean;
  /** What it is counted with against the memory budget; absent while it waits for room. */
  readonly memoryBytes?: number;
  /** Of its process. */
  readonly pid?: number;
  /** Absent: all of it is on the processor. */
  readonly gpuLayers?: number;
  readonly devices?: readonly string[];
  /** GPUs that its engine knows; absent: it has none. */
  readonly deviceUses?: readonly DeviceGauges[];
  readonly engine?: EngineGauges;
}

/** A GPU as an engine told of it last, and what is planned to lie there of its model. */
export interface DeviceGauges extends DeviceUse {
  readonly backend: string;
  /** When it told so, on any clock that all of them share: who told last is right about what is free. */
  readonly toldAt: number;
}

/** Of the machine's own memory. */
export interface MemoryGauges {
  readonly usedBytes: number;
  readonly budgetBytes: number;
}

/** Of a loaded model, as its engine told last: within a second of a change, and as it is when it rests. */
export interface EngineGauges {
  /** Sequences that run at once. */
  readonly slots: number;
  /** KV cells of all slots, and those with something in them. */
  readonly cells: number;
  readonly cellsUsed: number;
  /** KV cells put aside in memory. */
  readonly storedTokens: number;
  readonly storedBytes: number;
  /** Threads that a step uses now. */
  readonly threads: number;
  /** Most tokens of the latest step. */
  readonly stepTokens: number;
  /** Tokens that were guessed and computed since the engine's start, and those of them that came true. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Steps since the engine's start: seconds, sequences and tokens of each. Absent: it does not generate. */
  readonly steps?: Readonly<Record<"seconds" | "sequences" | "tokens", TallyCounts>>;
}

/** Of the gateway, when it began to listen; of the library, when it was made. */
export interface StartFigures {
  /** Since the start of the process; of the library, of its making. */
  readonly seconds: number;
  /** Resident. */
  readonly baseBytes: number;
}

export interface MetricsOptions {
  readonly version: string;
  /** False: requests are not counted and not timed; what is read at a scrape is told all the same. Absent: true. */
  readonly recording?: boolean;
  /** Read at each scrape. */
  readonly models: () => readonly ModelGauges[];
  readonly memory?: () => Promise<MemoryGauges>;
  /** How alerts stand, read at each scrape. */
  readonly alerts?: () => readonly Pick<AlertStatus, "name" | "state" | "enabled">[];
  readonly upstreams?: () => readonly UpstreamGauges[];
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export interface RequestRecord {
  /** Once, at the first piece of the answer: milliseconds since the request came. */
  first(model: string, ms: number): void;
  /** At each piece of an answer: later ones are apart from the one before. `choice`: of several answers. */
  token(model: string, choice?: number): void;
  /** Once; later calls do nothing. */
  finished(outcome: RequestOutcome): void;
}

/** Probes are no traffic, and polling them must not cost an idle gateway its memory. */
const UNCOUNTED: ReadonlySet<string> = new Set(["/health", "/metrics"]);
const NOTHING: RequestRecord = { first: () => undefined, token: () => undefined, finished: () => undefined };

export class Metrics {
  readonly #options: MetricsOptions;
  readonly #now: () => number;
  /** As they were at the latest scrape, so that all metrics of it agree. */
  #models: readonly ModelGauges[] = [];
  #memory: MemoryGauges | undefined;
  #start: StartFigures | undefined;
  readonly #gaps = new Map<string, Tally>();
  readonly #hot: HotCounts = { gaps: this.#gaps, inProgress: 0 };
  #loading: Promise<Loaded> | undefined;
  #loaded: Loaded | undefined;
  #view: Promise<MetricsView> | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The server listens. Loads nothing. */
  listening(start: StartFigures): void {
    this.#start = start;
  }

  /** @param route the pattern that matched ("/v1/models/:id"), or "unmatched". */
  requestStarted(route: string): RequestRecord {
    if (UNCOUNTED.has(route) || this.#options.recording === false) return NOTHING;
    const start = this.#now();
    let firstSeconds: number | undefined;
    let gaps: Tally | undefined;
    let done = false;
    /** When each choice had its latest piece. */
    const latest: number[] = [];
    this.#hot.inProgress++;
    return {
      first: (model, ms) => {
        const seconds = amount(ms / 1000);
        firstSeconds = seconds;
        this.#record(({ timeToFirstToken }) => timeToFirstToken.observe({ model }, seconds));
      },
      token: (model, choice = 0) => {
        const now = this.#now();
        const before = latest[choice];
        latest[choice] = now;
        if (before === undefined) return;
        gaps ??= this.#gapsOf(model);
        gaps?.observe((now - before) / 1000);
      },
      finished: (outcome) => {
        if (done) return;
        done = true;
        this.#hot.inProgress--;
        const end = this.#now();
        const times = { seconds: amount((end - start) / 1000), ...(firstSeconds !== undefined && { firstSeconds }) };
        this.#record((instruments) => countRequest(instruments, route, times, outcome));
      },
    };
  }

  modelLoaded(model: string, seconds: number): void {
    this.#record(({ modelLoad }) => modelLoad.observe({ model }, amount(seconds)));
  }

  /** The model that was asked for is not there: which step of the hierarchy answered instead. */
  modelFallback(step: "family" | "default" | "none"): void {
    this.#record(({ modelFallbacks }) => modelFallbacks.inc({ step }));
  }

  backendFailed(backend: string): void {
    this.#record(({ backendFailures }) => backendFailures.inc({ backend }));
  }

  modelLoadFailed(model: string): void {
    this.#record(({ loadFailures }) => loadFailures.inc({ model }));
  }

  modelUnloaded(model: string, reason: UnloadReason): void {
    this.#record(({ unloads }) => unloads.inc({ model, reason }));
  }

  engineRestarted(model: string): void {
    this.#record(({ engineRestarts }) => engineRestarts.inc({ model }));
  }

  /** What became of spans of traces. */
  spans(outcome: "exported" | "dropped", count: number): void {
    this.#record(({ spans }) => spans.inc({ outcome }, count));
  }

  /** The scrape. Rejects if prom-client cannot be loaded. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    const registry = await this.#look();
    return { contentType: registry.contentType, body: await registry.metrics() };
  }

  /** The same as values, for programs. */
  async read(): Promise<readonly MetricValues[]> {
    const registry = await this.#look();
    // Its types say that a type is a number, and it is its name.
    return (await registry.getMetricsAsJSON()) as unknown as readonly MetricValues[];
  }

  /** What is mirrored is read now. */
  async #look(): Promise<Registry> {
    const [{ registry }, memory] = await Promise.all([this.#load(), this.#options.memory?.()]);
    this.#models = this.#options.models();
    this.#memory = memory;
    return registry;
  }

  /** Values, rates and quantiles of windows; all callers share its samples. */
  view(): Promise<MetricsView> {
    this.#view ??= import("./view.ts").then(({ SampledView }) => new SampledView(() => this.read()));
    return this.#view;
  }

  /** Absent until the library is there: gaps of the first moment are not worth a queue. */
  #gapsOf(model: string): Tally | undefined {
    const known = this.#gaps.get(model);
    if (known || !this.#loaded) return known;
    const tally = this.#loaded.newGapTally();
    this.#gaps.set(model, tally);
    return tally;
  }

  /** Counts at once, or as soon as the library is there; never throws, for no request may fail because of its count. */
  #record(apply: (instruments: Instruments) => void): void {
    if (this.#loaded) apply(this.#loaded.instruments);
    // A library that cannot be loaded is told by `text()`, whose caller can do something about it.
    else
      this.#load().then(
        ({ instruments }) => apply(instruments),
        () => undefined,
      );
  }

  /** By its default export: that is all a split esbuild bundle keeps of a CommonJS library. */
  #load(): Promise<Loaded> {
    this.#loading ??= Promise.all([import("prom-client"), import("./instruments.ts")]).then(([{ default: library }, own]) => {
      const registry = new library.Registry();
      const { version, upstreams } = this.#options;
      const state = { models: () => this.#models, memory: () => this.#memory, start: () => this.#start, hot: this.#hot };
      const sources = { version, ...state, ...(upstreams && { upstreams }) };
      if (this.#options.alerts) own.addAlertGauge(library, [registry], this.#options.alerts);
      this.#loaded = { registry, instruments: own.createInstruments(library, registry, sources), newGapTally: own.newGapTally };
      return this.#loaded;
    });
    return this.#loading;
  }
}

/** A metric as prom-client gives it. */
export interface MetricValues {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Of a histogram: its buckets (label `le`), sums and counts, by `metricName`. */
  readonly values: ReadonlyArray<{
    readonly metricName?: string;
    readonly labels: Readonly<Record<string, string | number>>;
    readonly value: number;
  }>;
}

interface Loaded {
  readonly registry: Registry;
  readonly instruments: Instruments;
  readonly newGapTally: () => Tally;
}
