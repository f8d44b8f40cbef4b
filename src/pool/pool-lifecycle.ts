/** Loading and letting go because somebody asked for it: `Lifecycle` of contract/ over the residents. Made by pool.ts. */
import type { Lifecycle, LifecycleStatus, LoadOptions, UnloadReport } from "../contract/lifecycle.ts";
import type { ModelInfo, ModelStatus } from "../contract/model.ts";
import { residentMemory } from "../models/machine.ts";
import { abortable } from "./abortable.ts";
import type { Residents } from "./residents.ts";

export interface LifecycleParts {
  readonly residents: Residents;
  /** By id or alias, and never another one. @throws model_not_found */
  find(name: string): Promise<ModelInfo>;
  describe(info: ModelInfo): ModelStatus;
}

export class PoolLifecycle implements Lifecycle {
  constructor(private readonly parts: LifecycleParts) {}

  async load(name: string, { keepAliveMs, onProgress, signal }: LoadOptions = {}): Promise<LifecycleStatus> {
    const info = await this.parts.find(name);
    const { resident, release } = await this.parts.residents.join(info, signal);
    if (onProgress) resident.watchers.add(onProgress);
    try {
      if (onProgress && !resident.loaded) onProgress(resident.progress);
      resident.keepAfterLoad(keepAliveMs);
      await abortable(resident.opening, signal);
    } finally {
      if (onProgress) resident.watchers.delete(onProgress);
      release();
    }
    return this.#status(info);
  }

  async unload(name: string, { force = false }: { readonly force?: boolean } = {}): Promise<UnloadReport> {
    const info = await this.#known(name);
    const resident = this.parts.residents.get(info.id);
    if (!resident) return { model: info.id, unloaded: false };
    const { loaded } = resident;
    const freedBytes = loaded?.process.pid === undefined ? undefined : residentMemory(loaded.process.pid);
    await this.parts.residents.retire(resident, "asked", force);
    const exit = loaded?.process.ended;
    return { model: info.id, unloaded: true, ...(exit !== undefined && { exit }), ...(freedBytes !== undefined && { freedBytes }) };
  }

  async status(name: string): Promise<LifecycleStatus> {
    return this.#status(await this.#known(name));
  }

  /** What is loaded is known by its id, though its file be gone and no list have it any more. */
  async #known(name: string): Promise<ModelInfo> {
    return this.parts.residents.get(name)?.info ?? this.parts.find(name);
  }

  async loaded(): ReturnType<Lifecycle["loaded"]> {
    const { residents } = this.parts;
    return {
      models: [...residents.values()].map(({ info }) => this.#status(info)),
      usedBytes: residents.held().reduce((sum, { bytes }) => sum + bytes, 0),
      budgetBytes: residents.limits().budgetBytes,
    };
  }

  #status(info: ModelInfo): LifecycleStatus {
    const { residents } = this.parts;
    const resident = residents.get(info.id);
    const residence = resident?.residence();
    const failure = resident ? undefined : residents.backoff.get(info.id);
    return {
      ...this.parts.describe(info),
      ...(residence && { residence }),
      ...(failure && {
        failure: {
          code: failure.error.code,
          message: failure.error.message,
          retryAfterSeconds: residents.backoff.secondsLeft(info.id) ?? 0,
        },
      }),
    };
  }
}
