/**
 * All models that are loaded or on their way, and the one place that starts and ends engines: single-flight loads, room for newcomers,
 * keep-alive, changed files, back-off after failures. Used by pool.ts and pool-lifecycle.ts; it must not know what a request says.
 */
import type { Config } from "../config/table.ts";
import { ShimmyError } from "../contract/errors.ts";
import type { UnloadReason } from "../contract/lifecycle.ts";
import type { ModelInfo } from "../contract/model.ts";
import type { Aliases } from "../models/aliases.ts";
import { isServable } from "../models/capabilities.ts";
import type { Catalogue } from "../models/catalogue.ts";
import { fileIdentity, isOtherFile } from "../models/file-identity.ts";
import { availableMemory } from "../models/machine.ts";
import { findByName } from "../models/resolve.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { abortable, within } from "./abortable.ts";
import type { Backends } from "./backends.ts";
import { Backoff } from "./backoff.ts";
import { MemoryBudget } from "./budget.ts";
import { type Loaded, openEngine } from "./open-engine.ts";
import { isPackageReplaced } from "./package.ts";
import { cutThreads, type EngineSettings, memoryPlan } from "./plan.ts";
import { type Held, type Limits, overgrown } from "./residency.ts";
import { Resident } from "./resident.ts";
import { WaitingRoom } from "./waiting-room.ts";

export type ResidentSettings = EngineSettings &
  Pick<Config, "maxQueue" | "chatTemplateFile" | "memoryBudget" | "maxLoadedModels" | "keepAlive" | "pin">;

export interface ResidentsOptions {
  readonly catalogue: Catalogue;
  /** Absent: there are none. */
  readonly aliases?: Aliases;
  readonly settings: ResidentSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The engine's bundle; absent: the one beside this code. */
  readonly engineEntry?: string;
  /** Loaded with the first model. */
  readonly backends: () => Promise<Backends>;
}

/** A model that stays until `release` is called; it may still be loading (`resident.opening`). */
export interface Use {
  readonly resident: Resident;
  readonly release: () => void;
}

/** How long an engine may take at its end to write conversations to files. */
const FILES_GRACE_MS = 10_000;
/** A loaded model's file, and what all models have grown to, are looked at no more often. */
const LOOK_EVERY_MS = 1000;
const RETRY_SECONDS = 5;

export class Residents {
  readonly #options: ResidentsOptions;
  readonly #all = new Map<string, Resident>();
  readonly #budget: MemoryBudget;
  readonly #room: WaitingRoom;
  readonly backoff = new Backoff();
  #weighedAt = 0;
  #stopped = false;
  #toldThreads = false;

  constructor(options: ResidentsOptions) {
    this.#options = options;
    const { memoryBudget, maxLoadedModels, maxQueueTime } = options.settings;
    this.#budget = new MemoryBudget(memoryBudget, maxLoadedModels);
    const retire = (id: string) => {
      const resident = this.#all.get(id);
      if (resident) void this.retire(resident, "room");
    };
    this.#room = new WaitingRoom({ held: () => this.held(), limits: (held) => this.#budget.limits(held), retire }, maxQueueTime);
  }

  get(id: string): Resident | undefined {
    return this.#all.get(id);
  }

  values(): Iterable<Resident> {
    return this.#all.values();
  }

  /** Those that hold memory. */
  held(): Held[] {
    return [...this.#all.values()].filter(({ phase }) => phase !== "waiting").map((resident) => resident.held());
  }

  limits(): Limits {
    return this.#budget.limits(this.held());
  }

  /**
   * The model, loading if need be, kept until it is released. Ends with the signal while it waits for an old engine to go. `priority`: as
   * in `GenerationRequest`.
   * @throws model_not_generative, model_load_failed while it is in back-off, queue_full, shutting_down, client_closed
   */
  async join(info: ModelInfo, signal?: AbortSignal, priority = 0): Promise<Use> {
    for (;;) {
      if (this.#stopped) throw new ShimmyError("shutting_down");
      if (!isServable(info)) throw new ShimmyError("model_not_generative", { model: info.id, what: `of the kind ${info.architecture}` });
      const known = this.#all.get(info.id);
      const pinned = known?.options.pinned ?? (await this.#isPinned(info));
      if (!known) await this.#refuseInBackoff(info);
      else if (known.leaving) await this.#waitBehind(known, priority, signal);
      else await this.#noticeOtherFile(known, info);
      // Others may have acted meanwhile: what is true now counts.
      const now = this.#all.get(info.id);
      if (now !== known || now?.leaving || this.#stopped) continue;
      const resident = now ?? this.#start(info, pinned);
      if (!resident.loaded) this.#refuseCrowd(resident, resident.users.upTo(priority));
      return { resident, release: resident.use(priority) };
    }
  }

  /**
   * Lets a model go: it takes nothing new, finishes what it has, and its process ends. `force` does not wait for anything.
   * @returns when it has gone.
   */
  retire(resident: Resident, reason: UnloadReason, force = false): Promise<void> {
    resident.leaving ??= this.#letGo(resident, reason);
    if (force) this.#cut(resident);
    return resident.leaving;
  }

  /** Ends all engines, whatever they do, and all loads. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const error = new ShimmyError("shutting_down");
    const all = [...this.#all.values()];
    for (const resident of all) {
      resident.keepAlive.cancel();
      resident.stopLoad(error);
    }
    for (const { info } of all) this.#room.cancel(info.id, error);
    await Promise.all(all.map((resident) => this.#ended(resident)));
  }

  /** By its id, another spelling of it, or an alias. */
  async #isPinned(info: ModelInfo): Promise<boolean> {
    const { settings, aliases } = this.#options;
    if (settings.pin.length === 0) return false;
    const table = await aliases?.current();
    return settings.pin.some((name) => findByName(name, [info], table));
  }

  #start(info: ModelInfo, pinned: boolean): Resident {
    const { settings } = this.#options;
    this.#warnOfThreads();
    const resident: Resident = new Resident(info, {
      plan: memoryPlan(info, settings, this.#planBytes(info)),
      pinned,
      keepAliveMs: settings.keepAlive,
      onIdle: () => this.#idle(resident),
      onExpired: () => void this.retire(resident, "keep_alive"),
    });
    this.#all.set(info.id, resident);
    resident.opening = this.#bring(resident);
    resident.opening.catch(() => undefined); // told by #bring; nobody may be waiting
    return resident;
  }

  /** Once: the same setting holds for all models. */
  #warnOfThreads(): void {
    const { settings, log } = this.#options;
    const used = this.#toldThreads ? undefined : cutThreads(settings.threads);
    if (used === undefined) return;
    this.#toldThreads = true;
    log.warn("--threads is more than this machine can run at once", { threads: settings.threads, used });
  }

  async #bring(resident: Resident): Promise<Loaded> {
    const { log, metrics } = this.#options;
    const { info } = resident;
    try {
      resident.identity = await fileIdentity(info.path);
      resident.stopped.throwIfAborted();
      const hostLimitBytes = await this.#limitBesideGpu(resident);
      resident.stopped.throwIfAborted();
      const bytes = hostLimitBytes === undefined ? resident.bytes : this.limits().budgetBytes;
      await this.#room.enter({ id: info.id, bytes }, () => {
        resident.phase = "loading";
      });
      const startedAt = performance.now();
      const onProgress = (progress: Resident["progress"]) => resident.report(progress);
      const availableBytes = this.#planBytes(info);
      const loaded = await openEngine(info, {
        ...this.#options,
        ...{ availableBytes, hostLimitBytes, onProgress },
        signal: resident.stopped,
      });
      this.#arrived(resident, loaded, performance.now() - startedAt);
      return loaded;
    } catch (thrown) {
      if (this.#all.get(info.id) === resident) this.#all.delete(info.id);
      this.#room.advance();
      const error = ShimmyError.from(thrown);
      // No fault of the model, and another try is cheap: nothing is started for it.
      if (resident.stopped.aborted || error.code === "model_no_room" || error.code === "package_replaced") throw error;
      metrics.modelLoadFailed(info.id);
      log.error("model not loaded", { model: info.id, err: error });
      this.backoff.failed(info.id, resident.identity, error);
      throw this.#withRetry(info.id, error);
    }
  }

  #arrived(resident: Resident, loaded: Loaded, ms: number): void {
    const { log, metrics } = this.#options;
    const { info } = resident;
    resident.phase = "loaded";
    resident.loaded = loaded;
    resident.loadedAt = Date.now();
    metrics.modelLoaded(info.id, ms / 1000);
    const { contextPerSequence: context, flashAttention } = loaded.ready;
    log.info("model loaded", { model: info.id, ms: Math.round(ms), context, flashAttention, pid: loaded.process.pid });
    void loaded.process.exited.then(() => this.#died(resident, loaded));
    // Who wanted it may have left.
    if (resident.users.size === 0 && (resident.wasUsed || resident.keepAliveMs > 0)) this.#idle(resident);
    this.#room.advance();
  }

  /** Nobody uses it any more. */
  #idle(resident: Resident): void {
    if (resident.leaving || this.#all.get(resident.info.id) !== resident || resident.phase === "loading") return;
    if (resident.phase === "waiting") return void this.retire(resident, "abandoned");
    if (!resident.options.pinned) {
      if (resident.keepAliveMs === 0) void this.retire(resident, "keep_alive");
      else resident.keepAlive.start(resident.keepAliveMs);
    }
    this.#weigh();
    this.#room.advance();
  }

  async #letGo(resident: Resident, reason: UnloadReason): Promise<void> {
    const { log, metrics } = this.#options;
    const { id: model } = resident.info;
    resident.keepAlive.cancel();
    await resident.idle();
    this.#cut(resident);
    await this.#ended(resident);
    if (this.#all.get(model) === resident) this.#all.delete(model);
    if (resident.loaded) {
      metrics.modelUnloaded(model, reason);
      log.info("model unloaded", { model, reason, exit: resident.loaded.process.ended });
    }
    this.#room.advance();
  }

  /** Ends its process or its load, whatever they do. */
  #cut(resident: Resident): void {
    const error = new ShimmyError("model_unloaded", { model: resident.info.id });
    resident.stopLoad(error);
    this.#room.cancel(resident.info.id, error);
    if (resident.users.size > 0) void resident.loaded?.process.stop(0, "it was unloaded");
  }

  #ended(resident: Resident): Promise<void> {
    const graceMs = this.#options.settings.cacheDir ? FILES_GRACE_MS : 0;
    return resident.opening.then(
      ({ process }) => process.stop(graceMs),
      () => undefined,
    );
  }

  /**
   * An engine that was ready has ended by itself. One that had answered is worth another start at once; one that never did is a failed
   * load that shows late, so whatever kills it cannot make it start for ever; if it can be its backend's fault, the next one is tried.
   * Of one that was leaving (its last request has just failed, and keep_alive is 0) the failure counts all the same.
   */
  #died(resident: Resident, { process, candidate, backends }: Loaded): void {
    const { log, metrics } = this.#options;
    const { info, identity } = resident;
    if (this.#stopped || !process.crashed) return;
    const stays = !resident.leaving && this.#all.get(info.id) === resident;
    if (stays) this.#all.delete(info.id);
    resident.keepAlive.cancel();
    if (!process.answered && !candidate.last) backends.failed(candidate, process.ended ?? "it ended");
    if (process.answered || !candidate.last) {
      if (!stays) return;
      metrics.engineRestarted(info.id);
      log.warn("engine restarts", { model: info.id, exit: process.ended });
      this.#start(info, resident.options.pinned).keepAliveMs = resident.keepAliveMs;
    } else {
      const reason = `its engine ended before it had answered anything: ${process.ended}`;
      this.backoff.failed(info.id, identity, new ShimmyError("model_load_failed", { model: info.id, reason }));
      metrics.modelLoadFailed(info.id);
      log.error("engine not restarted", { model: info.id, exit: process.ended });
    }
    this.#room.advance();
  }

  /** Models grow with what they are asked: sheds idle ones when all together are over the budget. */
  #weigh(): void {
    const now = performance.now();
    if (this.#all.size < 2 || now - this.#weighedAt < LOOK_EVERY_MS) return;
    this.#weighedAt = now;
    const held = this.held();
    for (const id of overgrown(held, this.#budget.limits(held).budgetBytes)) void this.retire(this.#all.get(id)!, "room");
  }

  async #noticeOtherFile(resident: Resident, { path }: ModelInfo): Promise<void> {
    if (!(await this.#liesElsewhere(resident, path)) || resident.leaving) return;
    // No engine can be started any more, and the model of the package itself is another file now: what is loaded goes on.
    if (isPackageReplaced()) return;
    this.#options.log.warn("the file of a loaded model has changed: it is loaded again", { model: resident.info.id });
    void this.retire(resident, "changed");
  }

  /** Stores put a new version beside the old one, under its name: then the list has another path for it. */
  async #liesElsewhere(resident: Resident, path: string): Promise<boolean> {
    if (resident.info.path !== path) return true;
    const now = performance.now();
    if (!resident.loaded || now - resident.checkedAt < LOOK_EVERY_MS) return false;
    resident.checkedAt = now;
    return isOtherFile(resident.identity, await fileIdentity(path));
  }

  /**
   * Before its engine has told its devices nobody knows how much of a model they take. One that is larger than the machine is let in
   * alone where there is a GPU to try, and what would be left for the processor is looked at then (open-engine.ts).
   */
  async #limitBesideGpu({ bytes }: Resident): Promise<number | undefined> {
    const limits = this.limits();
    const most = Math.max(limits.budgetBytes, limits.aloneBytes);
    if (bytes <= most) return undefined;
    const [first] = await (await this.#options.backends()).candidates();
    return first?.usesGpu ? most : undefined;
  }

  async #refuseInBackoff(info: ModelInfo): Promise<void> {
    const failure = this.backoff.get(info.id);
    if (!failure || this.backoff.secondsLeft(info.id) === undefined) return;
    if (isOtherFile(failure.identity, await fileIdentity(info.path))) return;
    throw this.#withRetry(info.id, failure.error);
  }

  async #waitBehind(resident: Resident, priority: number, signal?: AbortSignal): Promise<void> {
    this.#refuseCrowd(resident, resident.behind.upTo(priority));
    const leave = resident.behind.add(priority);
    try {
      const { maxQueueTime } = this.#options.settings;
      const late = () =>
        new ShimmyError("queue_timeout", { model: resident.info.id, seconds: maxQueueTime / 1000, retry_after: RETRY_SECONDS });
      await abortable(within(resident.leaving!, maxQueueTime, late), signal);
    } finally {
      leave();
    }
  }

  /** Before a model is loaded its engine cannot count who waits. */
  #refuseCrowd({ info, options }: Resident, waiting: number): void {
    if (waiting < this.#options.settings.maxQueue + options.plan.slots) return;
    throw new ShimmyError("queue_full", { model: info.id, queued: waiting, retry_after: RETRY_SECONDS });
  }

  #withRetry(id: string, error: ShimmyError): ShimmyError {
    return new ShimmyError(error.code, { ...error.details, retry_after: this.backoff.secondsLeft(id) ?? 1 }, { cause: error.cause });
  }

  /** What a model is planned with: the budget, or all there is for one that is larger. */
  #planBytes({ sizeBytes }: ModelInfo): number {
    const available = availableMemory();
    const { budgetBytes } = this.limits();
    return sizeBytes < budgetBytes ? Math.min(available, budgetBytes) : available;
  }
}
