/**
 * The local pool and the upstreams as one generator and one list of models. Made by lazy.ts with the first wish for a model. A model that is
 * at both places is asked of the upstreams first: whoever names some wants the work to go there; this machine answers when they do not.
 */
import { setTimeout } from "node:timers/promises";
import { ShimmyError } from "../contract/errors.ts";
import type { GenerationEvent, GenerationRequest, Generator, ResolvedModel, Wanted } from "../contract/generation.ts";
import type { ModelInfo, ModelState, ModelStatus } from "../contract/model.ts";
import type { UpstreamTrouble } from "../contract/upstream.ts";
import type { AliasTable } from "../models/alias-table.ts";
import { NO_ALIASES } from "../models/alias-table.ts";
import { findById } from "../models/name-index.ts";
import { isEmbedded, resolveModel, shownName } from "../models/resolve.ts";
import { hops } from "../telemetry/hops.ts";
import type { Logger } from "../telemetry/log.ts";
import type { UpstreamGauges } from "../telemetry/upstream-metrics.ts";
import { type Asked, askUpstreams } from "./asking.ts";
import { RemoteGenerator } from "./generator.ts";
import type { CombinedOptions } from "./lazy.ts";
import { cameThrough } from "./loop.ts";
import type { RemoteQuestion } from "./questions.ts";
import { type RemoteGroup, type RemoteTable, remoteTable } from "./table.ts";
import { Upstream } from "./upstream.ts";

/** Before a name is said to be unknown, lists as young as this are looked at again. */
const DOUBTED_AGE_MS = 1000;

/** How long another gateway has to wait for lists that are not there yet. */
const PATIENCE_MS = 1000;

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
    const { settings, hop, log, tracing } = options;
    this.#options = options;
    this.#log = log;
    const parts = { silenceMs: settings.upstreamTimeout, hop, log, ...(tracing && { tracing }) };
    this.#upstreams = settings.upstreams.map((setting) => new Upstream(setting, parts));
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
    if (!group || this.#staysHere(group)) return local();
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
    if (!group || this.#staysHere(group)) return local();
    return askUpstreams(group, question, { ...asked, model: info.id }, this.#log, group.local ? local : undefined);
  }

  /** Local ones first, in their order. A gateway that asks is not told what only it has. */
  async statuses(): Promise<readonly ModelStatus[]> {
    if (!this.#cameBack()) await this.#refresh();
    const here = await this.#options.local.statuses();
    return [...here, ...this.#remoteOnly((members) => !members.every(({ upstream }) => cameThrough(upstream)))];
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

  /** Of a model that only upstreams have. */
  statusOf(id: string): ModelStatus | undefined {
    const group = this.#table.get(id);
    return group && !group.local ? group.status : undefined;
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
      return this.#resolved(name, options);
    }
  }

  /** @throws upstream_failed where one that has not told its models yet may have it */
  #resolved(name: string, options: Parameters<typeof resolveModel>[2]): ResolvedModel {
    try {
      return resolveModel(name, this.#all, options);
    } catch (error) {
      const silent = this.#upstreams.find(({ listing, gateway }) => listing === undefined && gateway !== this.#options.hop);
      if (!silent || !(error instanceof ShimmyError) || error.code !== "model_not_found") throw error;
      const reason = "one has not told its models yet";
      throw new ShimmyError("upstream_failed", { model: shownName(name), reason: silent.breaker.reason || reason }, { cause: error });
    }
  }

  /** It came back, and no upstream may be asked again. @throws upstream_loop where only they have the model */
  #staysHere({ local, status }: RemoteGroup<Upstream>): boolean {
    if (!this.#cameBack()) return false;
    if (!local) throw new ShimmyError("upstream_loop", { model: status.info.id });
    return true;
  }

  /** The request was here before. */
  #cameBack(): boolean {
    return hops().includes(this.#options.hop);
  }

  #isRemoteOnly(id: string): boolean {
    return this.#table.get(id)?.local === false;
  }

  #remoteOnly(isTold: (members: RemoteGroup<Upstream>["members"]) => boolean = () => true): ModelStatus[] {
    return [...this.#table.values()].flatMap(({ status, local, members }) => {
      if (local || !isTold(members)) return [];
      const open = members.every(({ upstream }) => upstream.breaker.state === "open");
      return [open ? { ...status, state: "failed" as const } : status];
    });
  }

  /** Lists are made anew only when one of them is another one. */
  async #refresh(maxAgeMs?: number): Promise<void> {
    const lists = this.#upstreams.map((upstream) => upstream.refresh(maxAgeMs));
    // Two gateways that have just begun would wait for each other's first list.
    const told =
      hops().length === 0 ? Promise.all(lists) : Promise.race([Promise.all(lists), setTimeout(PATIENCE_MS, undefined, { ref: false })]);
    const [here] = await Promise.all([this.#options.catalogue.list(), told]);
    const madeOf = [here, ...this.#upstreams.map(({ listing }) => listing)];
    if (madeOf.length === this.#madeOf.length && madeOf.every((each, index) => each === this.#madeOf[index])) return;
    this.#madeOf = madeOf;
    this.#table = remoteTable(this.#upstreams, here);
    const remote = this.#remoteOnly().map(({ info }) => info);
    // The model that comes with the package is nobody's first wish.
    this.#all = [...here.filter((info) => !isEmbedded(info)), ...remote, ...here.filter(isEmbedded)];
  }
}
