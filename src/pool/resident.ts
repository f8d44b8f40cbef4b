/**
 * One model on its way in, in use, or on its way out: who uses it, what it holds, how long it stays. Made and driven by residents.ts.
 *
 *   waiting ──room──▶ loading ──ready──▶ loaded        leaving is set beside these: nothing new is taken, it goes when it is idle
 */
import type { ShimmyError } from "../contract/errors.ts";
import { KEEP_FOREVER } from "../contract/keep-alive.ts";
import type { LoadProgress, Residence } from "../contract/lifecycle.ts";
import type { ModelInfo } from "../contract/model.ts";
import { residentMemory } from "../models/machine.ts";
import { type MemoryPlan, residentCost } from "../models/memory.ts";
import { Crowd } from "./crowd.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { Loaded } from "./open-engine.ts";
import { UNUSED_IS_FREE } from "./plan.ts";
import type { Held } from "./residency.ts";

export interface ResidentOptions {
  /** As far as it can be told before it is loaded. */
  readonly plan: MemoryPlan;
  readonly pinned: boolean;
  readonly keepAliveMs: number;
  /** Nobody uses it any more. */
  readonly onIdle: () => void;
  readonly onExpired: () => void;
}

export class Resident {
  phase: "waiting" | "loading" | "loaded" = "waiting";
  /** Single-flight: everyone who needs the model waits for the same load. */
  opening!: Promise<Loaded>;
  loaded: Loaded | undefined;
  loadedAt = 0;
  /** Of the file that is loaded. */
  identity = "";
  /** When its file was looked at last, on the clock of `performance`. */
  checkedAt = performance.now();
  /** Resolves when it has gone; absent while it stays. */
  leaving: Promise<void> | undefined;
  /** Requests that wait until it has gone, to load it again. */
  readonly behind = new Crowd();
  /** Who needs it now. */
  readonly users = new Crowd();
  progress: LoadProgress = { phase: "waiting", fraction: 0 };
  readonly watchers = new Set<(progress: LoadProgress) => void>();
  /** Ends the load, with the reason that its waiters hear. */
  readonly #stopLoad = new AbortController();
  readonly keepAlive: KeepAlive;
  keepAliveMs: number;
  #wasUsed = false;
  #usedAt = performance.now();
  #usedAtDate = Date.now();
  #mostCells = 0;
  #becameIdle: (() => void) | undefined;

  constructor(
    readonly info: ModelInfo,
    readonly options: ResidentOptions,
  ) {
    this.keepAliveMs = options.keepAliveMs;
    this.keepAlive = new KeepAlive(options.onExpired);
  }

  /** Whether somebody has ever used it, or wanted to. */
  get wasUsed(): boolean {
    return this.#wasUsed;
  }

  get stopped(): AbortSignal {
    return this.#stopLoad.signal;
  }

  /** It is needed until the returned function is called; further calls do nothing. */
  use(priority: number): () => void {
    const leave = this.users.add(priority);
    this.#wasUsed = true;
    this.#touch();
    this.keepAlive.cancel();
    let inUse = true;
    return () => {
      if (!inUse) return;
      inUse = false;
      leave();
      this.#touch();
      if (this.users.size > 0) return;
      this.#becameIdle?.();
      this.options.onIdle();
    };
  }

  /** When nobody uses it. One waits for it, who has seen to it that nobody new comes. */
  async idle(): Promise<void> {
    if (this.users.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#becameIdle = resolve;
    });
  }

  /** Somebody wants it loaded, without a request: where models go at once after each request, this one stays. */
  keepAfterLoad(ms?: number): void {
    this.keepAliveMs = ms ?? (this.keepAliveMs === 0 ? KEEP_FOREVER : this.keepAliveMs);
  }

  report(progress: LoadProgress): void {
    this.progress = progress;
    for (const tell of this.watchers) tell(progress);
  }

  stopLoad(reason: ShimmyError): void {
    this.#stopLoad.abort(reason);
  }

  /** Bytes against the budget. Pages that a cell has touched stay its engine's, so the most counts. */
  get bytes(): number {
    const state = this.loaded?.process.state;
    this.#mostCells = Math.max(this.#mostCells, state?.cellsUsed ?? 0);
    const cost = residentCost(
      this.loaded?.plan ?? this.options.plan,
      { cells: this.#mostCells, storedBytes: state?.storedBytes ?? 0 },
      UNUSED_IS_FREE,
    );
    return cost + (this.loaded?.process.embeddingBytes ?? 0);
  }

  held(): Held {
    return {
      id: this.info.id,
      bytes: this.bytes,
      busy: this.users.size > 0 || this.phase !== "loaded",
      pinned: this.options.pinned,
      leaving: this.leaving !== undefined,
      usedAt: this.#usedAt,
    };
  }

  /** For people and programs; absent until it is loaded. */
  residence(): Residence | undefined {
    const { loaded } = this;
    const pid = loaded?.process.pid;
    if (!loaded || pid === undefined) return undefined;
    const residentBytes = residentMemory(pid);
    const { expiresAt } = this.keepAlive;
    return {
      pid,
      memoryBytes: this.bytes,
      ...(residentBytes !== undefined && { residentBytes }),
      pinned: this.options.pinned,
      leaving: this.leaving !== undefined,
      running: loaded.process.running,
      waiting: loaded.process.waiting,
      loadedAt: this.loadedAt,
      lastUsedAt: this.#usedAtDate,
      ...(expiresAt !== undefined && { expiresAt }),
    };
  }

  #touch(): void {
    this.#usedAt = performance.now();
    this.#usedAtDate = Date.now();
  }
}
