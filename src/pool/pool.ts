/**
 * The local generator: finds the model, loads it on first use, renders the prompt for it, hands the request to its engine.
 * Called by the server and the command line. One child per loaded model; it must not know protocols or HTTP.
 *
 *   resolve ─▶ join (residents.ts: load, make room) ─▶ admit ─▶ engine-message.ts ─▶ engine-process.ts ══ipc══▶ engine
 */
import { totalmem } from "node:os";
import type { Config } from "../config/table.ts";
import type {
  Embedder,
  EmbeddingRequest,
  EmbeddingResult,
  ScoreRequest,
  ScoreResult,
  TokenizeOptions,
  Tokenizer,
  VocabularyToken,
} from "../contract/embedding.ts";
import { ShimmyError } from "../contract/errors.ts";
import {
  type ChatPrompt,
  type GenerationEvent,
  type GenerationRequest,
  type Generator,
  nameOf,
  type ResolvedModel,
  type Wanted,
} from "../contract/generation.ts";
import type { Engine, Hardware, HardwareReport } from "../contract/hardware.ts";
import type { Inspector, ModelProperties, PromptRenderer } from "../contract/inspection.ts";
import type { Lifecycle } from "../contract/lifecycle.ts";
import type { ModelInfo, ModelState, ModelStatus } from "../contract/model.ts";
import { type Adapters, resolveWithAdapter } from "../models/adapters.ts";
import { type AliasTable, NO_ALIASES } from "../models/alias-table.ts";
import { allowedCores, allowedProcessors, availableMemory } from "../models/machine.ts";
import { shownName, withAliases } from "../models/resolve.ts";
import type { DeviceGauges, MemoryGauges, ModelGauges } from "../telemetry/metrics.ts";
import { abortable } from "./abortable.ts";
import { answerGrammar } from "./answer-grammar.ts";
import type { Backends } from "./backends.ts";
import { engineMessage } from "./engine-message.ts";
import { FirstWords, fallsBack } from "./first-words.ts";
import type { Loaded } from "./open-engine.ts";
import { memoryPlan } from "./plan.ts";
import { PoolLifecycle } from "./pool-lifecycle.ts";
import { Residents, type ResidentsOptions } from "./residents.ts";

export interface PoolSettings extends PoolConfig {
  /** Callers do not share cached prefixes: the time of an answer tells nobody what another one asked. */
  readonly isolateCallers: boolean;
}

type PoolConfig = ResidentsOptions["settings"] & Pick<Config, "strictModels" | "defaultModel" | "engineDir">;

export interface PoolOptions extends Omit<ResidentsOptions, "backends"> {
  /** Where engines are installed; it need not be there. */
  readonly enginesFolder: string;
  readonly adapters?: Adapters;
  readonly settings: PoolSettings;
}

export class Pool implements Generator, Embedder, Tokenizer, PromptRenderer, Inspector {
  readonly #options: PoolOptions;
  /** Loaded with the first model. */
  #backends: Backends | undefined;
  readonly #residents: Residents;
  /** Loading and letting go on demand. */
  readonly lifecycle: Lifecycle;

  /** What there is to compute on, and what of it has failed. */
  readonly hardware: Hardware;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { log, metrics, settings, enginesFolder } = options;
    const find = async () => {
      const { findEngines, hereAndNow } = await import("../hardware/engines.ts");
      return findEngines(settings.engineDir, hereAndNow(enginesFolder));
    };
    const backends = async () => {
      const loaded = await import("./backends.ts");
      this.#backends ??= new loaded.Backends({ gpu: settings.gpu, log, metrics, find });
      return this.#backends;
    };
    this.#residents = new Residents({ ...options, backends });
    this.hardware = { degraded: () => this.#backends?.degraded() ?? [], report: () => this.#hardwareReport(find) };
    this.lifecycle = new PoolLifecycle({
      residents: this.#residents,
      find: async (name) => (await this.#resolve(name, true)).info,
      describe: (info) => this.#status(info),
    });
  }

  async resolve(name: string, { strict = false, wants }: { strict?: boolean; wants?: Wanted } = {}): Promise<ResolvedModel> {
    const model = await this.#resolve(name, strict || this.#options.settings.strictModels, wants);
    if (model.fallbackFrom !== undefined)
      this.#options.log.warn("another model answers", { asked: shownName(model.fallbackFrom), via: model.via, model: nameOf(model) });
    return model;
  }

  async #aliases(): Promise<AliasTable> {
    return (await this.#options.aliases?.current()) ?? NO_ALIASES;
  }

  async *generate(model: ResolvedModel, request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent, void, undefined> {
    const { info } = model;
    if (!info.generative) throw new ShimmyError("model_not_generative", { model: info.id, what: `an encoder (${info.architecture})` });
    const { choices, priority = 0, keepAliveMs } = request;
    const grammar = await answerGrammar(request, model.info, signal, this.#options.log);
    // Again, when a backend has failed before it had said anything: the next one answers.
    for (const answer = new FirstWords(); ; ) {
      const joinedAt = Date.now();
      const { resident, release } = await this.#residents.join(model.info, signal, priority);
      if (keepAliveMs !== undefined) resident.keepAliveMs = keepAliveMs;
      try {
        const loaded = await abortable(resident.opening, signal);
        this.#admit(loaded, choices, priority);
        const loadMs = Math.max(0, resident.loadedAt - joinedAt);
        const asked = await engineMessage(loaded, request, this.#options.log, this.#options.settings.isolateCallers, grammar);
        const message = model.adapter ? { ...asked.message, adapter: model.adapter } : asked.message;
        const startedAt = performance.now();
        try {
          // Released when the engine has finished: a slow reader does not keep the model from making room.
          const events = loaded.process.generate(message, signal, release);
          const watched = loaded.candidate.last && answer.silent ? events : answer.watch(events);
          const told = loadMs > 0 ? afterLoad(watched, loadMs) : watched;
          yield* asked.answer?.reader ? (await import("./read-answers.ts")).readAnswers(told, asked.answer) : told;
        } catch (error) {
          if (await fallsBack(loaded, answer, error)) continue;
          throw withRetry(loaded, priority, error);
        }
        loaded.pace.finished(performance.now() - startedAt);
        this.#residents.backoff.succeeded(loaded.info.id);
        loaded.backends.succeeded(loaded.candidate);
        return;
      } finally {
        release();
      }
    }
  }

  async embed(model: ResolvedModel, request: EmbeddingRequest, signal: AbortSignal): Promise<EmbeddingResult> {
    return (await import("./questions.ts")).embed(this.#askParts, model, request, signal);
  }

  async score(model: ResolvedModel, request: ScoreRequest, signal: AbortSignal): Promise<ScoreResult> {
    return (await import("./questions.ts")).score(this.#askParts, model, request, signal);
  }

  async tokenize(model: ResolvedModel, text: string, options: TokenizeOptions, signal: AbortSignal): Promise<readonly VocabularyToken[]> {
    return (await import("./questions.ts")).tokenize(this.#askParts, model, text, options, signal);
  }

  async detokenize(model: ResolvedModel, tokens: readonly number[], signal: AbortSignal): Promise<string> {
    return (await import("./questions.ts")).detokenize(this.#askParts, model, tokens, signal);
  }

  async renderPrompt(model: ResolvedModel, prompt: ChatPrompt, signal: AbortSignal): Promise<string> {
    return (await import("./inspection.ts")).renderPrompt(this.#inspectionParts, model, prompt, signal);
  }

  async properties({ info }: ResolvedModel): Promise<ModelProperties> {
    return (await import("./inspection.ts")).properties(this.#inspectionParts, this.#status(info));
  }

  async slots(id: string | undefined, signal: AbortSignal): ReturnType<Inspector["slots"]> {
    return (await import("./inspection.ts")).slots(this.#inspectionParts, id, signal);
  }

  get #inspectionParts() {
    return { residents: this.#residents, settings: this.#options.settings, log: this.#options.log };
  }

  get #askParts() {
    return { residents: this.#residents, maxQueue: this.#options.settings.maxQueue };
  }

  /** Everything in the catalogue with its state, in the order of preference. */
  async statuses(): Promise<ModelStatus[]> {
    const models = withAliases(await this.#options.catalogue.list(), await this.#aliases());
    this.#residents.backoff.keepOnly(new Set(models.map(({ id }) => id)));
    const available = availableMemory();
    const adapters = await Promise.all(models.map((info) => this.#options.adapters?.namesFor(info) ?? []));
    return models.map((info, i) => ({ ...this.#status(info, available), ...(adapters[i]!.length > 0 && { adapters: adapters[i]! }) }));
  }

  /** How many models there are, and in which state: what a health check can ask for every second. */
  async counts(): Promise<{ readonly total: number } & Partial<Record<ModelState, number>>> {
    const total = await this.#options.catalogue.count();
    const counts: Partial<Record<ModelState, number>> = {};
    const ids = new Set([...this.#residents.values()].map(({ info }) => info.id));
    for (const id of this.#residents.backoff.ids()) ids.add(id);
    for (const id of ids) counts[this.#stateOf(id)] = (counts[this.#stateOf(id)] ?? 0) + 1;
    const unloaded = total - ids.size;
    return { total, ...counts, ...(unloaded > 0 && { unloaded }) };
  }

  /** What the metrics read at each scrape. */
  gauges(): ModelGauges[] {
    return [...this.#residents.values()].map(({ info, loaded, bytes, phase }) => ({
      model: info.id,
      queued: (loaded?.process.waiting ?? 0) + Math.max(0, (loaded?.process.asked() ?? 0) - 1),
      running: (loaded?.process.running ?? 0) + Math.min(1, loaded?.process.asked() ?? 0),
      loaded: loaded !== undefined,
      ...(loaded?.process.pid !== undefined && { pid: loaded.process.pid }),
      ...(loaded?.serving.placement && { gpuLayers: loaded.serving.placement.gpuLayers, devices: loaded.serving.placement.devices }),
      ...(phase !== "waiting" && { memoryBytes: bytes }),
      deviceUses: loaded ? devicesNow(loaded) : [],
      ...(loaded?.process.state && { engine: { ...loaded.process.state, slots: loaded.serving.slots, cells: loaded.serving.kvCells } }),
    }));
  }

  /** What models take of the memory that they may have. */
  memory(): MemoryGauges {
    const usedBytes = this.#residents.held().reduce((sum, { bytes }) => sum + bytes, 0);
    return { usedBytes, budgetBytes: this.#residents.limits().budgetBytes };
  }

  /** @throws model_not_generative, model_load_failed, model_no_room, engine_unavailable, shutting_down */
  async load(info: ModelInfo): Promise<Loaded> {
    const { resident, release } = await this.#residents.join(info);
    try {
      resident.keepAfterLoad();
      return await resident.opening;
    } finally {
      release();
    }
  }

  /** Ends all engines, whatever they do. */
  stop(): Promise<void> {
    return this.#residents.stop();
  }

  async #resolve(name: string, strict: boolean, wants?: Wanted): Promise<ResolvedModel> {
    const { defaultModel } = this.#options.settings;
    const loaded = new Set([...this.#residents.values()].filter((resident) => resident.loaded).map(({ info }) => info.id));
    const aliases = await this.#aliases();
    const options = { strict, loaded, aliases, ...(defaultModel !== undefined && { default: defaultModel }), ...(wants && { wants }) };
    return resolveWithAdapter(name, await this.#options.catalogue.list(), options, this.#options.adapters);
  }

  async #hardwareReport(find: () => Promise<Engine[]>): Promise<HardwareReport> {
    const [{ installable, hereAndNow }, { hardwareReport }] = await Promise.all([
      import("../hardware/engines.ts"),
      import("./hardware.ts"),
    ]);
    const { engineEntry, enginesFolder } = this.#options;
    return hardwareReport({
      engines: await find(),
      installable: installable(hereAndNow(enginesFolder)),
      machine: { cores: allowedCores(), processors: allowedProcessors(), memoryBytes: totalmem(), availableBytes: availableMemory() },
      degraded: this.hardware.degraded(),
      ...(engineEntry !== undefined && { engineEntry }),
    });
  }

  #status(info: ModelInfo, available = availableMemory()): ModelStatus {
    const resident = this.#residents.get(info.id);
    const loaded = resident?.loaded;
    return {
      info,
      state: this.#stateOf(info.id),
      servedContext: loaded?.ready.contextPerSequence ?? memoryPlan(info, this.#options.settings, available).contextPerSequence,
      ...(loaded && { serving: loaded.serving }),
      ...(resident && !loaded && { progress: resident.progress }),
    };
  }

  #stateOf(id: string): ModelState {
    const resident = this.#residents.get(id);
    if (resident) return resident.loaded ? "loaded" : "loading";
    return this.#residents.backoff.get(id) ? "failed" : "unloaded";
  }

  /** Only those who are as urgent stand in one's way. @throws queue_full, with the seconds after which a place should be free. */
  #admit(loaded: Loaded, choices: number, priority: number): void {
    const waiting = waitingFor(loaded, priority);
    if (waiting + choices <= this.#options.settings.maxQueue) return;
    throw new ShimmyError("queue_full", { model: loaded.info.id, queued: Math.max(0, waiting), retry_after: retryAfter(loaded, priority) });
  }
}

/** The events of a request that had to wait for its model. */
async function* afterLoad(events: AsyncIterable<GenerationEvent>, loadMs: number): AsyncGenerator<GenerationEvent, void, undefined> {
  for await (const event of events) yield event.type === "started" ? { ...event, loadMs } : event;
}

/** Choices of this priority and of more urgent ones that have no slot. */
function waitingFor({ process, serving }: Loaded, priority: number): number {
  return process.unfinished(priority) - serving.slots;
}

/** Seconds after which a place should be free. */
function retryAfter(loaded: Loaded, priority: number): number {
  return loaded.pace.secondsUntil(waitingFor(loaded, priority), loaded.serving.slots);
}

/** What an engine cannot know of a request that waited too long. */
function withRetry(loaded: Loaded, priority: number, error: unknown): unknown {
  if (!(error instanceof ShimmyError) || error.code !== "queue_timeout") return error;
  return new ShimmyError("queue_timeout", { ...error.details, model: loaded.info.id, retry_after: retryAfter(loaded, priority) });
}

/** As they were when they were asked for, except for what its engine has told since. */
function devicesNow({ devices, process: { state, stateAt }, candidate }: Loaded): DeviceGauges[] {
  const now = new Map(state?.devices?.map((device) => [device.name, device]));
  return devices.map((device) => ({ ...device, ...now.get(device.name), backend: candidate.engine?.backend ?? "cpu", toldAt: stateAt }));
}
