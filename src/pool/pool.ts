/**
 * The local generator: finds the model, loads it on first use, renders the prompt for it, hands the request to its engine.
 * Called by the server and the command line. One child per loaded model; it must not know protocols or HTTP.
 *
 *   unloaded ──request──▶ loading ──ready──▶ loaded ──child dies──▶ loading (once, at once) …
 *                            └──fails──▶ failed ──next request──▶ loading
 */
import type { ChatTemplate } from "../chat/template.ts";
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest, Generator, PromptSegment, ResolvedModel } from "../contract/generation.ts";
import type { ModelInfo, ModelState, ModelStatus, Serving } from "../contract/model.ts";
import type { EngineReady, GenerateMessage } from "../engine/ipc.ts";
import { type AliasTable, NO_ALIASES } from "../models/alias-table.ts";
import type { Aliases } from "../models/aliases.ts";
import type { Catalogue } from "../models/catalogue.ts";
import { resolveModel, shownName, withAliases } from "../models/resolve.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Metrics, ModelGauges } from "../telemetry/metrics.ts";
import type { EngineProcess } from "./engine-process.ts";
import { type EngineSettings, engineOptions, memoryPlan, servingOf } from "./plan.ts";

export interface PoolSettings extends PoolConfig {
  /** Callers do not share cached prefixes: the time of an answer tells nobody what another one asked. */
  readonly isolateCallers: boolean;
}

type PoolConfig = EngineSettings & Pick<Config, "maxQueue" | "strictModels" | "defaultModel" | "chatTemplateFile">;

export interface PoolOptions {
  readonly catalogue: Catalogue;
  /** Absent: there are none. */
  readonly aliases?: Aliases;
  readonly settings: PoolSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The engine's bundle; absent: the one beside this code. */
  readonly engineEntry?: string;
}

/** A model that is loaded or on its way. */
interface Loaded {
  readonly info: ModelInfo;
  readonly process: EngineProcess;
  readonly ready: EngineReady;
  readonly template: ChatTemplate;
  readonly serving: Serving;
  readonly pace: Pace;
}

interface Entry {
  state: ModelState;
  /** Single-flight: everyone who needs the model waits for the same load. */
  loading: Promise<Loaded>;
  loaded?: Loaded;
}

export class Pool implements Generator {
  readonly #options: PoolOptions;
  readonly #entries = new Map<string, Entry>();
  #stopped = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async resolve(name: string, { strict = false } = {}): Promise<ResolvedModel> {
    const { strictModels, defaultModel } = this.#options.settings;
    const loaded = new Set([...this.#entries].filter(([, entry]) => entry.loaded).map(([id]) => id));
    const aliases = await this.#aliases();
    const options = { strict: strict || strictModels, loaded, aliases, ...(defaultModel !== undefined && { default: defaultModel }) };
    const model = resolveModel(name, await this.#options.catalogue.list(), options);
    if (model.fallbackFrom !== undefined)
      this.#options.log.warn("another model answers", { asked: shownName(model.fallbackFrom), via: model.via, model: model.info.id });
    return model;
  }

  async #aliases(): Promise<AliasTable> {
    return (await this.#options.aliases?.current()) ?? NO_ALIASES;
  }

  async *generate(model: ResolvedModel, request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent, void, undefined> {
    const loaded = await abortable(this.load(model.info), signal);
    this.#admit(loaded, request.choices);
    const message = engineMessage(loaded, request, this.#options.log, this.#options.settings.isolateCallers);
    const startedAt = performance.now();
    try {
      yield* loaded.process.generate(message, signal);
    } catch (error) {
      throw withRetry(loaded, error);
    }
    loaded.pace.finished(performance.now() - startedAt);
  }

  /** Everything in the catalogue with its state, in the order of preference. */
  async statuses(): Promise<ModelStatus[]> {
    const models = withAliases(await this.#options.catalogue.list(), await this.#aliases());
    return models.map((info) => {
      const entry = this.#entries.get(info.id);
      return {
        info,
        state: entry?.state ?? "unloaded",
        servedContext: entry?.loaded?.ready.contextPerSequence ?? memoryPlan(info, this.#options.settings).contextPerSequence,
        ...(entry?.loaded && { serving: entry.loaded.serving }),
      };
    });
  }

  /** How many models there are, and in which state: what a health check can ask for every second. */
  async counts(): Promise<{ readonly total: number } & Partial<Record<ModelState, number>>> {
    const total = await this.#options.catalogue.count();
    const counts: Partial<Record<ModelState, number>> = {};
    for (const { state } of this.#entries.values()) counts[state] = (counts[state] ?? 0) + 1;
    const unloaded = total - this.#entries.size;
    return { total, ...counts, ...(unloaded > 0 && { unloaded }) };
  }

  /** What the metrics read at each scrape. */
  gauges(): ModelGauges[] {
    return [...this.#entries].map(([model, { loaded }]) => ({
      model,
      queued: loaded?.process.waiting ?? 0,
      running: loaded?.process.running ?? 0,
      loaded: loaded !== undefined,
      ...(loaded?.process.state && { engine: { ...loaded.process.state, slots: loaded.serving.slots, cells: loaded.serving.kvCells } }),
    }));
  }

  /** @throws model_not_generative, model_load_failed, engine_unavailable, shutting_down */
  load(info: ModelInfo): Promise<Loaded> {
    if (this.#stopped) return Promise.reject(new ShimmyError("shutting_down"));
    if (!info.generative)
      return Promise.reject(new ShimmyError("model_not_generative", { model: info.id, what: `an encoder (${info.architecture})` }));
    const known = this.#entries.get(info.id);
    if (known && known.state !== "failed") return known.loading;
    return this.#start(info);
  }

  /** Ends all engines, whatever they do. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      [...this.#entries.values()].map(({ loading }) =>
        loading.then(({ process }) => process.stop(this.#options.settings.cacheDir ? FILES_GRACE_MS : 0)).catch(() => undefined),
      ),
    );
  }

  #start(info: ModelInfo): Promise<Loaded> {
    const entry: Entry = { state: "loading", loading: this.#open(info) };
    this.#entries.set(info.id, entry);
    const startedAt = performance.now();
    entry.loading.then(
      (loaded) => {
        const ms = performance.now() - startedAt;
        entry.state = "loaded";
        entry.loaded = loaded;
        this.#options.metrics.modelLoaded(info.id, ms / 1000);
        this.#options.log.info("model loaded", {
          model: info.id,
          ms: Math.round(ms),
          context: loaded.ready.contextPerSequence,
          flashAttention: loaded.ready.flashAttention,
          pid: loaded.process.pid,
        });
        void loaded.process.exited.then(() => this.#restart(info));
      },
      (error) => {
        entry.state = "failed";
        this.#options.log.error("model not loaded", { model: info.id, err: ShimmyError.from(error) });
      },
    );
    return entry.loading;
  }

  /** An engine that was ready has died: its requests have failed, the next ones find a new one. */
  #restart(info: ModelInfo): void {
    this.#entries.delete(info.id);
    if (this.#stopped) return;
    this.#options.metrics.engineRestarted(info.id);
    this.#options.log.warn("engine restarts", { model: info.id });
    this.#start(info).catch(() => undefined); // told by #start
  }

  async #open(listed: ModelInfo): Promise<Loaded> {
    const { catalogue, settings, log, engineEntry } = this.#options;
    const { EngineProcess } = await import("./engine-process.ts");
    // The process starts while its model is looked at.
    const process = new EngineProcess(listed.id, engineEntry);
    try {
      const [info, { ChatTemplate }] = await Promise.all([catalogue.verify(listed), import("../chat/template.ts")]);
      const source = settings.chatTemplateFile ? await readTemplate(settings.chatTemplateFile, info.id) : info.chatTemplate;
      const { options, reason } = engineOptions(info, settings);
      log.info("model loads", { model: info.id, plan: reason });
      const ready = await process.load(options);
      const template = new ChatTemplate({
        ...(source !== undefined && { source }),
        model: info.id,
        family: info.family,
        bosToken: ready.bosText,
        eosToken: ready.eosText,
        controlTokens: ready.controlTexts,
      });
      return { info, process, ready, template, serving: servingOf(options, ready), pace: new Pace() };
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  /** @throws queue_full, with the seconds after which a place should be free. */
  #admit(loaded: Loaded, choices: number): void {
    const waiting = waitingFor(loaded);
    if (waiting + choices <= this.#options.settings.maxQueue) return;
    throw new ShimmyError("queue_full", { model: loaded.info.id, queued: Math.max(0, waiting), retry_after: retryAfter(loaded) });
  }
}

/** How long an engine may take at its end to write conversations to files. */
const FILES_GRACE_MS = 10_000;

/** Choices that have no slot. */
function waitingFor({ process, serving }: Loaded): number {
  return process.unfinished - serving.slots;
}

/** Seconds after which a place should be free. */
function retryAfter(loaded: Loaded): number {
  return loaded.pace.secondsUntil(waitingFor(loaded), loaded.serving.slots);
}

/** What an engine cannot know of a request that waited too long. */
function withRetry(loaded: Loaded, error: unknown): unknown {
  if (!(error instanceof ShimmyError) || error.code !== "queue_timeout") return error;
  return new ShimmyError("queue_timeout", { ...error.details, model: loaded.info.id, retry_after: retryAfter(loaded) });
}

/** How long an answer takes lately, to tell when a queue will have moved on. */
class Pace {
  #averageMs: number | undefined;

  finished(ms: number): void {
    this.#averageMs = this.#averageMs === undefined ? ms : 0.8 * this.#averageMs + 0.2 * ms;
  }

  /** Seconds, at least 1, until `waiting` requests have been taken up by `slots` places. */
  secondsUntil(waiting: number, slots: number): number {
    const rounds = Math.max(1, waiting) / slots;
    return Math.max(1, Math.ceil(((this.#averageMs ?? 1000) * rounds) / 1000));
  }
}

function engineMessage(
  { template }: Loaded,
  request: GenerationRequest,
  log: Logger,
  isolateCallers: boolean,
): Omit<GenerateMessage, "type" | "id"> {
  const { choices, maxTokens, stop, sampling, constraint, topLogprobs, progress, caller, priority, cachePrompt, maxDraft } = request;
  const salt = cachePrompt === false ? `alone ${request.id}` : isolateCallers ? caller : undefined;
  return {
    prompt: request.prompt.kind === "tokens" ? { tokens: request.prompt.tokens } : { segments: segments(template, request, log) },
    choices,
    stop,
    sampling,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(constraint && { constraint }),
    ...(topLogprobs !== undefined && { topLogprobs }),
    ...(progress && { progress }),
    ...(maxDraft !== undefined && { maxDraft }),
    ...(caller !== undefined && { tenant: caller }),
    ...(salt !== undefined && { salt }),
    ...(priority !== undefined && { priority }),
  };
}

function segments(template: ChatTemplate, { id, prompt }: GenerationRequest, log: Logger): readonly PromptSegment[] {
  // A raw prompt is the caller's own business: its control tokens are meant.
  if (prompt.kind === "text") return [{ text: prompt.text, parseSpecial: true }];
  if (prompt.kind !== "chat") return [];
  const { segments, warnings } = template.render(prompt);
  for (const warning of warnings) log.debug("chat template", { id, warning });
  return segments;
}

async function readTemplate(path: string, model: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(path, "utf8").catch((cause) => {
    // Callers hear of it, so the path stays in the cause.
    throw new ShimmyError("model_load_failed", { model, reason: "the configured chat template file cannot be read" }, { cause });
  });
}

/** The promise, or `client_closed` as soon as the signal is aborted. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new ShimmyError("client_closed");
  let leave: (() => void) | undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(new ShimmyError("client_closed"));
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    if (leave) signal.removeEventListener("abort", leave);
  }
}
