/**
 * The local pool and the upstreams as one generator and one list of models. Made by lazy.ts with the first wish for a model. A model that is
 * at both places is asked of the upstreams first: whoever names some wants the work to go there; this machine answers when they do not.
 */
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest, Generator, ResolvedModel, Wanted } from "../contract/generation.ts";
import type { ModelInfo, ModelState, ModelStatus } from "../contract/model.ts";
import type { UpstreamTrouble } from "../contract/upstream.ts";
import type { AliasTable } from "../models/alias-table.ts";
import { NO_ALIASES } from "../models/alias-table.ts";
import { findById } from "../models/name-index.ts";
import { isEmbedded, resolveModel, shownName } from "../models/resolve.ts";
import type { Logger } from "../telemetry/log.ts";
import type { UpstreamGauges } from "../telemetry/upstream-metrics.ts";
import { type Asked, askUpstreams } from "./asking.ts";
import { RemoteGenerator } from "./generator.ts";
import type { CombinedOptions } from "./lazy.ts";
import type { RemoteQuestion } from "./questions.ts";
import { type RemoteTable, remoteTable } from "./table.ts";
import { Upstream } from "./upstream.ts";

/** Before a name is said to be unknown, lists as young as this are looked at again. */
const DOUBTED_AGE_MS = 1000;

/** What a request that names no model asks for. */
const UNNAMED = "default";

type Counts = { readonly total: number } & Partial<Record<ModelState, number>>;

export class CombinedGenerator implements Generator {
  readonly #options: CombinedOptions;
  readonly #upstreams: readonly Upstream[];
  readonly #remote: RemoteGenerator;
  readonly #log: Logger;
  #table: RemoteTable<Upstream> = new Map();
  /** What the table and the list of all models were made of. */
  #madeOf: readonly unknown[] = [];
  #all: readonly ModelInfo[] = [];

  constructor(options: CombinedOptions) {
    const { settings, log, tracing } = options;
    this.#options = options;
    this.#log = log;
    this.#upstreams = settings.upstreams.map(
      (setting) => new Upstream(setting, { silenceMs: settings.upstreamTimeout, log, ...(tracing && { tracing }) }),
    );
    this.#remote = new RemoteGenerator(() => this.#table, log);
  }

  async resolve(name: string, { strict = false, wants }: { strict?: boolean; wants?: Wanted } = {}): Promise<ResolvedModel> {
    const { local, settings } = this.#options;
    const options = { strict: strict || settings.strictModels, ...(wants && { wants }) };
    await this.#refresh();
    // Local, but for one that is listed by an upstream under this very name.
    if (name.includes("+") && !findById(name, this.#all)) return local.resolve(name, options);
    const found = await this.#find(name, options);
    if (!this.#isRemoteOnly(found.info.id)) return local.resolve(name, options);
    if (found.fallbackFrom !== undefined)
      this.#log.warn("another model answers", { asked: shownName(found.fallbackFrom), via: found.via, model: found.info.id });
    return found;
  }

  generate(model: ResolvedModel, request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    const group = model.adapter ? undefined : this.#table.get(model.info.id);
    const local = () => this.#options.local.generate(model, request, signal);
    if (!group) return local();
    return this.#remote.generate(model, request, signal, group.local ? local : undefined);
  }

  /** What is answered at once, of the upstreams that have the model, or here. */
  ask<Answer>(
    { info, adapter }: ResolvedModel,
    question: RemoteQuestion<Answer>,
    asked: Omit<Asked, "model">,
    local: () => Promise<Answer>,
  ): Promise<Answer> {
    const group = adapter ? undefined : this.#table.get(info.id);
    if (!group) return local();
    return askUpstreams(group, question, { ...asked, model: info.id }, this.#log, group.local ? local : undefined);
  }

  /** Local ones first, in their order. */
  async statuses(): Promise<readonly ModelStatus[]> {
    await this.#refresh();
    const here = await this.#options.local.statuses();
    return [...here, ...this.#remoteOnly()];
  }

  /** Asks nobody. */
  async counts(): Promise<Counts> {
    const counts: { total: number } & Partial<Record<ModelState, number>> = { ...(await this.#options.local.counts()) };
    for (const { state } of this.#remoteOnly()) {
      counts.total++;
      counts[state] = (counts[state] ?? 0) + 1;
    }
    return counts;
  }

  degraded(): readonly UpstreamTrouble[] {
    return this.#upstreams.flatMap(({ breaker }, index) =>
      breaker.state === "open"
        ? [{ upstream: index + 1, reason: breaker.reason, retryAfterSeconds: Math.ceil(breaker.restMs / 1000) }]
        : [],
    );
  }

  gauges(): readonly UpstreamGauges[] {
    return this.#upstreams.map((upstream) => upstream.gauges());
  }

  has(id: string): boolean {
    return this.#isRemoteOnly(id);
  }

  close(): void {
    for (const upstream of this.#upstreams) upstream.close();
  }

  async #find(name: string, wish: { readonly strict: boolean; readonly wants?: Wanted }): Promise<ResolvedModel> {
    const { settings, aliases, local } = this.#options;
    const loaded = new Set(local.gauges().flatMap((gauge) => (gauge.loaded ? [gauge.model] : [])));
    // They are read from a file: not for a name that no alias is looked at for.
    const plain = settings.defaultModel === undefined && (name === UNNAMED || findById(name, this.#all) !== undefined);
    const table: AliasTable = (plain ? undefined : await aliases?.current()) ?? NO_ALIASES;
    const options = { ...wish, loaded, aliases: table, ...(settings.defaultModel !== undefined && { default: settings.defaultModel }) };
    try {
      return resolveModel(name, this.#all, { ...options, strict: true });
    } catch (error) {
      if (!(error instanceof ShimmyError) || error.code !== "model_not_found") throw error;
      await this.#refresh(DOUBTED_AGE_MS);
      return resolveModel(name, this.#all, options);
    }
  }

  #isRemoteOnly(id: string): boolean {
    return this.#table.get(id)?.local === false;
  }

  #remoteOnly(): ModelStatus[] {
    return [...this.#table.values()].flatMap(({ status, local, members }) => {
      if (local) return [];
      const open = members.every(({ upstream }) => upstream.breaker.state === "open");
      return [open ? { ...status, state: "failed" as const } : status];
    });
  }

  /** Lists are made anew only when one of them is another one. */
  async #refresh(maxAgeMs?: number): Promise<void> {
    const [here] = await Promise.all([this.#options.catalogue.list(), ...this.#upstreams.map((upstream) => upstream.refresh(maxAgeMs))]);
    const madeOf = [here, ...this.#upstreams.map(({ listing }) => listing)];
    if (madeOf.length === this.#madeOf.length && madeOf.every((each, index) => each === this.#madeOf[index])) return;
    this.#madeOf = madeOf;
    this.#table = remoteTable(this.#upstreams, here);
    const remote = this.#remoteOnly().map(({ info }) => info);
    // The model that comes with the package is nobody's first wish.
    this.#all = [...here.filter((info) => !isEmbedded(info)), ...remote, ...here.filter(isEmbedded)];
  }
}
