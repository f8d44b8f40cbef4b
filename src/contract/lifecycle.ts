/** Loading and letting go, as told to whoever asks for it: the routes of server/api/lifecycle.ts and the commands. Plain data. */
import type { ModelStatus } from "./model.ts";

/** How far a load is: it waits for room, its process starts, the weights are read, the context is made. */
export interface LoadProgress {
  readonly phase: "waiting" | "starting" | "weights" | "context";
  /** Of the weights, 0 to 1. */
  readonly fraction: number;
}

/** Why a model was let go: to make room, its keep-alive ended, somebody asked, its file changed, nobody waits for it any more. */
export type UnloadReason = "room" | "keep_alive" | "asked" | "changed" | "abandoned";

/** What a loaded model holds and does. Times are milliseconds since the epoch. */
export interface Residence {
  readonly pid: number;
  /** What it is counted with against the memory budget, in bytes. */
  readonly memoryBytes: number;
  /** Resident memory of its process, where the system tells. */
  readonly residentBytes?: number;
  readonly pinned: boolean;
  /** It finishes what it works on and takes nothing new. */
  readonly leaving: boolean;
  readonly running: number;
  readonly waiting: number;
  readonly loadedAt: number;
  readonly lastUsedAt: number;
  /** When it is let go if nobody asks; absent while it works or is kept for ever. */
  readonly expiresAt?: number;
}

export interface LifecycleStatus extends ModelStatus {
  readonly residence?: Residence;
  /** Of the latest load, while another one is not tried. */
  readonly failure?: { readonly code: string; readonly message: string; readonly retryAfterSeconds: number };
}

export interface UnloadReport {
  readonly model: string;
  /** False: it was not loaded. */
  readonly unloaded: boolean;
  /** How the process ended, and what it held: both absent when there was none. */
  readonly exit?: string;
  readonly freedBytes?: number;
}

export interface LoadOptions {
  /** As in `GenerationRequest`. */
  readonly keepAliveMs?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the waiting, not the load. */
  readonly signal?: AbortSignal;
}

/** Names are ids or aliases; another model never answers for them. All methods throw model_not_found. */
export interface Lifecycle {
  /** Resolves when it is loaded. @throws model_load_failed, model_no_room, model_not_generative, shutting_down, client_closed */
  load(name: string, options?: LoadOptions): Promise<LifecycleStatus>;
  /** Resolves when its process has ended. Without `force` running requests finish first. */
  unload(name: string, options?: { readonly force?: boolean }): Promise<UnloadReport>;
  status(name: string): Promise<LifecycleStatus>;
  /** What is loaded or on its way, and the memory it may have. */
  loaded(): Promise<{ readonly models: readonly LifecycleStatus[]; readonly usedBytes: number; readonly budgetBytes: number }>;
}
