/**
 * The pool as it is before anybody wants a model: nothing but the wish for one loads the code of the real one (pool.ts), for an idle
 * server has 5 MB. Made by assemble.ts; used wherever a pool is. It must not know more of a pool than its interfaces.
 */
import type { Embedder, Tokenizer } from "../contract/embedding.ts";
import type { Generator } from "../contract/generation.ts";
import type { Hardware } from "../contract/hardware.ts";
import type { Inspector, PromptRenderer } from "../contract/inspection.ts";
import type { Lifecycle } from "../contract/lifecycle.ts";
import type { Pool, PoolOptions } from "./pool.ts";

/** What the command line, the server and the library use of a pool. */
export interface LocalPool extends Generator, Embedder, Tokenizer, PromptRenderer, Inspector {
  readonly lifecycle: Lifecycle;
  readonly hardware: Hardware;
  statuses(): ReturnType<Pool["statuses"]>;
  counts(): ReturnType<Pool["counts"]>;
  gauges(): ReturnType<Pool["gauges"]>;
  memory(): Promise<ReturnType<Pool["memory"]>>;
  load(...asked: Parameters<Pool["load"]>): ReturnType<Pool["load"]>;
  stop(): Promise<void>;
}

export class LazyPool implements LocalPool {
  readonly #options: PoolOptions;
  #making: Promise<Pool> | undefined;
  #made: Pool | undefined;
  #stopped = false;

  readonly lifecycle: Lifecycle = {
    load: async (...asked) => (await this.#pool()).lifecycle.load(...asked),
    unload: async (...asked) => (await this.#pool()).lifecycle.unload(...asked),
    status: async (...asked) => (await this.#pool()).lifecycle.status(...asked),
    loaded: async () => (await this.#pool()).lifecycle.loaded(),
  };

  readonly hardware: Hardware = {
    degraded: () => this.#made?.hardware.degraded() ?? [],
    report: async () => (await this.#pool()).hardware.report(),
  };

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async resolve(...asked: Parameters<Pool["resolve"]>): ReturnType<Pool["resolve"]> {
    return (await this.#pool()).resolve(...asked);
  }

  /** Whoever has resolved a model has made the pool, so that usually nothing stands between its events and their reader. */
  generate(...asked: Parameters<Pool["generate"]>): ReturnType<Generator["generate"]> {
    return this.#made?.generate(...asked) ?? this.#generateLater(asked);
  }

  async *#generateLater(asked: Parameters<Pool["generate"]>): ReturnType<Pool["generate"]> {
    yield* (await this.#pool()).generate(...asked);
  }

  async embed(...asked: Parameters<Pool["embed"]>): ReturnType<Pool["embed"]> {
    return (await this.#pool()).embed(...asked);
  }

  async score(...asked: Parameters<Pool["score"]>): ReturnType<Pool["score"]> {
    return (await this.#pool()).score(...asked);
  }

  async tokenize(...asked: Parameters<Pool["tokenize"]>): ReturnType<Pool["tokenize"]> {
    return (await this.#pool()).tokenize(...asked);
  }

  async detokenize(...asked: Parameters<Pool["detokenize"]>): ReturnType<Pool["detokenize"]> {
    return (await this.#pool()).detokenize(...asked);
  }

  async renderPrompt(...asked: Parameters<Pool["renderPrompt"]>): ReturnType<Pool["renderPrompt"]> {
    return (await this.#pool()).renderPrompt(...asked);
  }

  async properties(...asked: Parameters<Pool["properties"]>): ReturnType<Pool["properties"]> {
    return (await this.#pool()).properties(...asked);
  }

  async slots(...asked: Parameters<Pool["slots"]>): ReturnType<Pool["slots"]> {
    return (await this.#pool()).slots(...asked);
  }

  async statuses(): ReturnType<Pool["statuses"]> {
    return (await this.#pool()).statuses();
  }

  /** A health check asks for it every second: no reason to load anything. */
  async counts(): ReturnType<Pool["counts"]> {
    if (this.#made) return this.#made.counts();
    const total = await this.#options.catalogue.count();
    return { total, ...(total > 0 && { unloaded: total }) };
  }

  gauges(): ReturnType<Pool["gauges"]> {
    return this.#made?.gauges() ?? [];
  }

  async memory(): Promise<ReturnType<Pool["memory"]>> {
    if (this.#made) return this.#made.memory();
    const { MemoryBudget } = await import("./budget.ts");
    const { memoryBudget, maxLoadedModels } = this.#options.settings;
    return { usedBytes: 0, budgetBytes: new MemoryBudget(memoryBudget, maxLoadedModels).limits([]).budgetBytes };
  }

  async load(...asked: Parameters<Pool["load"]>): ReturnType<Pool["load"]> {
    return (await this.#pool()).load(...asked);
  }

  /** Also one that is made later starts nothing any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await (await this.#making)?.stop();
  }

  #pool(): Promise<Pool> {
    this.#making ??= this.#make();
    return this.#making;
  }

  async #make(): Promise<Pool> {
    const { Pool } = await import("./pool.ts");
    const pool = new Pool(this.#options);
    if (this.#stopped) await pool.stop();
    this.#made = pool;
    return pool;
  }
}
