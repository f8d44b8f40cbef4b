/**
 * What /metrics tells, in Prometheus text. The server records requests, the pool loads and restarts; nobody reads back.
 * prom-client costs 2.3 MB, so it is loaded with the first request that counts, or the first scrape. Labels are bounded:
 * a model is an id of the catalogue or "unknown", a route is the pattern of the route, never what a client wrote.
 */
import type { Registry } from "prom-client";
import type { UnloadReason } from "../contract/lifecycle.ts";
import { createInstruments, type Instruments } from "./instruments.ts";

export interface ModelGauges {
  /** Id in the catalogue. */
  readonly model: string;
  readonly queued: number;
  readonly running: number;
  readonly loaded: boolean;
  /** What it is counted with against the memory budget; absent while it waits for room. */
  readonly memoryBytes?: number;
  readonly engine?: EngineGauges;
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
}

export interface MetricsOptions {
  readonly version: string;
  /** Read at each scrape. */
  readonly models: () => readonly ModelGauges[];
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** How a request ended. */
export interface RequestOutcome {
  /** HTTP status as sent; 499 when the client left. */
  readonly status: number;
  /** Resolved id; absent when none was resolved. */
  readonly model?: string;
  readonly promptTokens?: number;
  /** Those of the prompt tokens that were in the KV cache. */
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
}

export interface RequestRecord {
  /** At the first text that was generated; later calls do nothing. */
  firstToken(model: string): void;
  /** Once; later calls do nothing. */
  finished(outcome: RequestOutcome): void;
}

/** Probes are no traffic, and polling them must not cost an idle gateway its memory. */
const UNCOUNTED: ReadonlySet<string> = new Set(["/health", "/metrics"]);
const NOTHING: RequestRecord = { firstToken: () => undefined, finished: () => undefined };

export class Metrics {
  readonly #options: MetricsOptions;
  readonly #now: () => number;
  #loading: Promise<Loaded> | undefined;
  #loaded: Loaded | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @param route the pattern that matched ("/v1/models/:id"), or "unmatched". */
  requestStarted(route: string): RequestRecord {
    if (UNCOUNTED.has(route)) return NOTHING;
    const start = this.#now();
    let sawToken = false;
    let done = false;
    return {
      firstToken: (model) => {
        if (sawToken) return;
        sawToken = true;
        const seconds = this.#secondsSince(start);
        this.#record(({ timeToFirstToken }) => timeToFirstToken.observe({ model }, seconds));
      },
      finished: (outcome) => {
        if (done) return;
        done = true;
        const seconds = this.#secondsSince(start);
        this.#record((instruments) => countRequest(instruments, route, seconds, outcome));
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

  /** The scrape. Rejects if prom-client cannot be loaded. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    const { registry } = await this.#load();
    return { contentType: registry.contentType, body: await registry.metrics() };
  }

  #secondsSince(start: number): number {
    return amount((this.#now() - start) / 1000);
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
    this.#loading ??= import("prom-client").then(({ default: library }) => {
      const registry = new library.Registry();
      this.#loaded = { registry, instruments: createInstruments(library, registry, this.#options) };
      return this.#loaded;
    });
    return this.#loading;
  }
}

interface Loaded {
  readonly registry: Registry;
  readonly instruments: Instruments;
}

function countRequest(instruments: Instruments, route: string, seconds: number, outcome: RequestOutcome): void {
  const model = outcome.model ?? "unknown";
  instruments.requests.inc({ route, model, status: String(outcome.status) });
  instruments.requestDuration.observe({ route }, seconds);
  instruments.promptTokens.inc({ model }, amount(outcome.promptTokens));
  instruments.cachedTokens.inc({ model }, amount(outcome.cachedTokens));
  instruments.completionTokens.inc({ model }, amount(outcome.completionTokens));
}

/** The library throws at what is negative or no number, and a count may not be what fails a request. */
function amount(value: number | undefined): number {
  return value !== undefined && value > 0 && Number.isFinite(value) ? value : 0;
}
