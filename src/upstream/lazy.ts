/**
 * Upstreams as they are before anybody wants a model: the first wish loads their code (combined.ts), for an idle server has 5 MB. Made by
 * assemble.ts, only if upstreams are configured; given to the door in the pool's place.
 */
import type { Config } from "../config/table.ts";
import type { GenerationEvent, Generator, ResolvedModel } from "../contract/generation.ts";
import type { ModelState, ModelStatus } from "../contract/model.ts";
import type { Tracing } from "../contract/tracing.ts";
import type { Aliases } from "../models/aliases.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ModelGauges } from "../telemetry/metrics.ts";
import type { CombinedGenerator } from "./combined.ts";
import type { Doors } from "./doors.ts";

/** What is used of the local pool. */
export interface LocalGenerator extends Generator {
  statuses(): Promise<readonly ModelStatus[]>;
  counts(): Promise<{ readonly total: number } & Partial<Record<ModelState, number>>>;
  gauges(): readonly ModelGauges[];
}

export interface CombinedOptions {
  readonly local: LocalGenerator;
  readonly catalogue: Pick<Catalogue, "list">;
  readonly aliases?: Pick<Aliases, "current">;
  readonly settings: Pick<Config, "upstreams" | "upstreamTimeout" | "strictModels" | "defaultModel">;
  /** What this gateway calls itself to others. */
  readonly hop: string;
  readonly log: Logger;
  /** Absent, or gives none: questions to upstreams are no spans. */
  readonly tracing?: () => Pick<Tracing, "call"> | undefined;
}

export class LazyUpstreams implements Generator {
  readonly #options: CombinedOptions;
  #making: Promise<CombinedGenerator> | undefined;
  #made: CombinedGenerator | undefined;

  constructor(options: CombinedOptions) {
    this.#options = options;
  }

  get hop(): string {
    return this.#options.hop;
  }

  async resolve(...asked: Parameters<Generator["resolve"]>): Promise<ResolvedModel> {
    return (await this.#combined()).resolve(...asked);
  }

  generate(...asked: Parameters<Generator["generate"]>): AsyncIterable<GenerationEvent> {
    return this.#made?.generate(...asked) ?? this.#generateLater(asked);
  }

  async *#generateLater(asked: Parameters<Generator["generate"]>): AsyncGenerator<GenerationEvent, void, undefined> {
    yield* (await this.#combined()).generate(...asked);
  }

  async statuses(): Promise<readonly ModelStatus[]> {
    return (await this.#combined()).statuses();
  }

  /** A health check asks for it every second: no reason to ask anybody. */
  counts(): ReturnType<LocalGenerator["counts"]> {
    return this.#made?.counts() ?? this.#options.local.counts();
  }

  degraded(): ReturnType<CombinedGenerator["degraded"]> {
    return this.#made?.degraded() ?? [];
  }

  gauges(): ReturnType<CombinedGenerator["gauges"]> {
    return this.#made?.gauges() ?? [];
  }

  /** What is answered at once, by the upstreams and by the local pool. */
  doors(local: Doors): Doors {
    const open = async () => (await import("./doors.ts")).doorsOf(await this.#combined(), local);
    return {
      embed: async (...asked) => (await open()).embed(...asked),
      score: async (...asked) => (await open()).score(...asked),
      tokenize: async (...asked) => (await open()).tokenize(...asked),
      detokenize: async (...asked) => (await open()).detokenize(...asked),
      renderPrompt: async (...asked) => (await open()).renderPrompt(...asked),
      properties: async (...asked) => (await open()).properties(...asked),
      slots: async (...asked) => (await open()).slots(...asked),
    };
  }

  async close(): Promise<void> {
    (await this.#making)?.close();
  }

  #combined(): Promise<CombinedGenerator> {
    this.#making ??= import("./combined.ts").then(({ CombinedGenerator }) => {
      this.#made = new CombinedGenerator(this.#options);
      return this.#made;
    });
    return this.#making;
  }
}
