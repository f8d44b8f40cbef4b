/**
 * Puts the rooms together: catalogue, pool, metrics, log, from one configuration. Called by the commands of cli/ and by the
 * library; the only place that knows them all.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LazyJobs } from "./batches/jobs.ts";
import { userDataFolder } from "./config/data-folder.ts";
import { isLoopback } from "./config/listen.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { Config } from "./config/table.ts";
import type { Alerts } from "./contract/alerts.ts";
import { ShimmyError } from "./contract/errors.ts";
import type { Puller } from "./contract/pull.ts";
import type { ResponseStore } from "./contract/responses.ts";
import type { Tracing } from "./contract/tracing.ts";
import { pullFolder } from "./hub/places.ts";
import { Adapters } from "./models/adapters.ts";
import { Aliases, aliasFile } from "./models/aliases.ts";
import { Catalogue, type CatalogueOptions } from "./models/catalogue.ts";
import type { Integrity } from "./models/integrity/integrity.ts";
import { idOfFile } from "./models/names.ts";
import { LazyPool, type LocalPool } from "./pool/lazy-pool.ts";
import { isPackageReplaced } from "./pool/package.ts";
import { Installation } from "./server/installation.ts";
import type { Services } from "./server/services.ts";
import type { AlertFile } from "./telemetry/alerts/memory.ts";
import type { OpenAlerts } from "./telemetry/alerts/open.ts";
import { createLogger, type Logger, type LogLevel } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { wantsTracing } from "./telemetry/tracing/wanted.ts";
import { LazyUpstreams } from "./upstream/lazy.ts";

declare const SHIMMY_VERSION: string;

/** From package.json, set by the build. */
export const VERSION = SHIMMY_VERSION;

/** Beside dist/ in the package. */
const EMBEDDED_MODEL = fileURLToPath(new URL("../models/shimmy-tiny/shimmy-tiny-q8_0.gguf", import.meta.url));

export interface Assembly {
  readonly log: Logger;
  readonly catalogue: Catalogue;
  readonly aliases: Aliases;
  readonly adapters: Adapters;
  readonly metrics: Metrics;
  readonly pool: LocalPool;
  /** Absent: none are configured. */
  readonly upstreams?: LazyUpstreams;
  readonly puller: Puller;
  readonly responseStore: ResponseStore;
  readonly alerts: ConfiguredAlerts;
  /** Filled by `tracingOf`. */
  readonly traced: { tracing?: Tracing };
}

/** Nothing of it runs, or is loaded, before it is started, and nothing ever where no alerts are configured. */
export interface ConfiguredAlerts extends Alerts {
  /** @param url where the server is reached. @throws invalid_setting: a condition that cannot be understood */
  start(url?: string): Promise<void>;
  stop(): Promise<void>;
}

export interface AssembleOptions {
  readonly logLevel?: LogLevel;
  /** For what lives long: model folders are watched after the first list. `catalogue.close()` ends it. */
  readonly watches?: boolean;
}

export function assemble(loaded: Pick<LoadedConfig, "config" | "alerts" | "file">, options: AssembleOptions = {}): Assembly {
  const { config } = loaded;
  const log = createLogger({ level: options.logLevel ?? config.logLevel, format: config.logFormat });
  const catalogue = new Catalogue({
    dirs: ["models", ...config.modelDirs, { path: pullFolder(config.pullDir), label: "shimmy" }],
    files: config.modelPath === undefined ? [] : [config.modelPath],
    ...(config.embeddedModel && { embedded: EMBEDDED_MODEL }),
    stores: config.modelStores,
    around: { env: process.env, home: homedir(), platform: process.platform },
    cachesHeaders: true,
    ...(options.watches && { watches: true }),
    onSkip: (path, reason) => log.debug("not a model", { path, reason }),
    onEqualName: ({ id, wanted, path }) => log.info("two models of one name", { name: wanted, listed_as: id, path }),
    onCacheError: (error) => log.debug("the headers of models are not cached", { err: ShimmyError.from(error) }),
    beforeLoad: contentCheck(config, log),
  });
  const aliases = new Aliases({
    configured: config.aliases,
    file: aliasFile(),
    onProblem: (path, reason) => log.warn("saved aliases are not used", { path, reason }),
  });
  const adapters = new Adapters({ given: config.lora, found: () => catalogue.adapters() });
  const defaultModel = config.defaultModel ?? (config.modelPath === undefined ? undefined : idOfFile(config.modelPath));
  // Each needs the other: the pool records, and what it holds is read at a scrape.
  const metrics: Metrics = new Metrics({
    version: VERSION,
    recording: config.metrics,
    models: () => pool.gauges(),
    memory: () => pool.memory(),
    upstreams: () => upstreams?.gauges() ?? [],
    alerts: () => alerts.statuses(),
  });
  const alerts = lazyAlerts(loaded, metrics, log);
  const traced: Assembly["traced"] = {};
  const local = config.bind === "auto" || isLoopback(config.bind.host);
  const isolateCallers = config.isolateKeys === "on" || (config.isolateKeys === "auto" && !local);
  const pool: LocalPool = new LazyPool({
    catalogue,
    aliases,
    adapters,
    settings: { ...config, defaultModel, isolateCallers },
    enginesFolder: enginesFolder(),
    log,
    metrics,
  });
  const upstreams =
    config.upstreams.length === 0
      ? undefined
      : new LazyUpstreams({
          local: pool,
          catalogue,
          aliases,
          settings: config,
          hop: `shimmy-${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`,
          log,
          tracing: () => traced.tracing,
        });
  return {
    log,
    catalogue,
    aliases,
    adapters,
    metrics,
    pool,
    ...(upstreams && { upstreams }),
    puller: lazyPuller(config, catalogue),
    responseStore: lazyResponseStore(config, log),
    alerts,
    traced,
  };
}

function lazyAlerts(loaded: Parameters<typeof assemble>[0], metrics: Metrics, log: Logger): ConfiguredAlerts {
  let open: OpenAlerts | undefined;
  return {
    statuses: () => open?.watch.statuses() ?? [],
    silence: async (name, seconds) => open?.watch.silence(name, seconds),
    start: async (url) => {
      if (Object.keys(loaded.alerts).length === 0) return;
      const { openAlerts } = await import("./telemetry/alerts/open.ts");
      const file = await alertFile(loaded, log);
      open = await openAlerts({ loaded, view: await metrics.view(), log, file, ...(url !== undefined && { url }) });
    },
    stop: async () => open?.stop(),
  };
}

/** By what a server is after a restart still: its configuration and the address that is asked for there. Others on this machine have their own. */
async function alertFile({ config, file }: Parameters<typeof assemble>[0], log: Logger): Promise<AlertFile> {
  const [{ stateFile }, { isKept }, { createHash }] = await Promise.all([
    import("./models/state-file.ts"),
    import("./telemetry/alerts/memory.ts"),
    import("node:crypto"),
  ]);
  const server = JSON.stringify([file ?? process.cwd(), config.bind, config.port]);
  const name = `${createHash("sha256").update(server).digest("hex").slice(0, 16)}.json`;
  const path = join(userDataFolder(), "alerts", name);
  return stateFile(path, isKept, (reason) => log.warn("what was kept of alerts is not used", { path, reason }));
}

/** The client of the hub is loaded with the first pull: most servers never see one. */
function lazyPuller(config: Config, catalogue: Catalogue): Puller {
  let made: Promise<Puller> | undefined;
  const onPulled = async (path: string) => {
    // Twice: a look that was under way may have passed the folder before the model was in it.
    await catalogue.scan();
    await catalogue.scan();
    return (await catalogue.list()).find((model) => model.path === path)?.id;
  };
  const make = async (): Promise<Puller> => {
    const { HubPuller } = await import("./hub/puller.ts");
    return new HubPuller({ config, root: pullFolder(config.pullDir), userAgent: `shimmy/${VERSION}`, onPulled });
  };
  return {
    online: !config.offline,
    async *pull(model, signal) {
      made ??= make();
      yield* (await made).pull(model, signal);
    },
    close: async () => (await made)?.close(),
  };
}

/** Loaded with the first answer that is kept or asked for; what is put before it is there comes first all the same. */
function lazyResponseStore({ responsesDir, responsesMax, responsesBytes }: Config, log: Logger): ResponseStore {
  let made: Promise<ResponseStore> | undefined;
  const store = (): Promise<ResponseStore> => {
    made ??= import("./server/responses/store.ts").then(({ openResponseStore }) =>
      openResponseStore({
        folder: responsesDir ?? join(userDataFolder(), "responses"),
        maxCount: responsesMax,
        maxBytes: responsesBytes,
        onProblem: (error, what) => log.warn(what, { err: ShimmyError.from(error) }),
      }),
    );
    return made;
  };
  return {
    get: async (...asked) => (await store()).get(...asked),
    put: (stored) => void store().then((opened) => opened.put(stored)),
    delete: async (...asked) => (await store()).delete(...asked),
    close: async () => (await made)?.close(),
  };
}

/** Where `shimmy engine install` puts engines. */
export function enginesFolder(): string {
  return join(userDataFolder(), "engines");
}

/** Absent where OpenTelemetry's variables ask for no traces; the code is loaded only where they do. */
export async function tracingOf({ log, metrics, traced }: Pick<Assembly, "log" | "metrics" | "traced">): Promise<Tracing | undefined> {
  if (!wantsTracing(process.env)) return undefined;
  const { openTracing } = await import("./telemetry/tracing/tracer.ts");
  const tracing = openTracing({ env: process.env, metrics, log, version: VERSION });
  if (tracing) traced.tracing = tracing;
  return tracing;
}

/** What the door is given; whether only this machine can reach it and whether the server takes work is left to whoever opens it. */
export function servicesOf(
  { log, metrics, pool, upstreams, puller, catalogue, responseStore, alerts }: Assembly,
  { config }: Pick<LoadedConfig, "config">,
  { loopback, state, tracing }: { readonly loopback: boolean } & Pick<Services, "state" | "tracing">,
): Services {
  const { allowedHosts, corsOrigins, strictKeys } = config;
  const services: Services = {
    config,
    generator: upstreams ?? pool,
    ...(upstreams && { hop: upstreams.hop }),
    ...localDoors(pool, upstreams),
    models: () => (upstreams ?? pool).statuses(),
    modelCounts: () => (upstreams ?? pool).counts(),
    upstreamTroubles: () => upstreams?.degraded() ?? [],
    discover: () => catalogue.discover(),
    lifecycle: pool.lifecycle,
    puller,
    responseStore,
    hardware: pool.hardware,
    jobs: new LazyJobs({
      config,
      folder: userDataFolder(),
      log,
      dispatch: async () => (await import("./server/errands.ts")).createDispatch(services),
      slots: () => fewestSlots(pool),
    }),
    alerts,
    metrics,
    ...(tracing && { tracing }),
    log,
    version: VERSION,
    installation: new Installation(isPackageReplaced, log),
    startedAt: Date.now(),
    guards: { loopback, allowedHosts, corsOrigins, apiKey: [...config.apiKey, ...strictKeys], strictKeys },
    state,
  };
  return services;
}

/** What is answered at once. */
function localDoors(
  pool: LocalPool,
  upstreams: LazyUpstreams | undefined,
): Pick<Services, "embedder" | "tokenizer" | "promptRenderer" | "inspector"> {
  const doors = upstreams?.doors(pool) ?? pool;
  return { embedder: doors, tokenizer: doors, promptRenderer: doors, inspector: doors };
}

/** Of the loaded models; 1 before one is. */
async function fewestSlots({ lifecycle }: LocalPool): Promise<number> {
  const { models } = await lifecycle.loaded();
  return models.length === 0 ? 1 : Math.min(...models.map(({ serving }) => serving?.slots ?? 1));
}

/** Comes with the first model that is loaded: a server that waits has no use for it. */
function contentCheck({ verify, lockFile }: Config, log: Logger): NonNullable<CatalogueOptions["beforeLoad"]> {
  let integrity: Promise<Integrity> | undefined;
  return async (listed, now) => {
    integrity ??= import("./models/integrity/integrity.ts").then(
      ({ Integrity }) => new Integrity({ policy: verify, ...(lockFile !== undefined && { lockPath: lockFile }), log }),
    );
    await (await integrity).beforeLoad(listed, now);
  };
}
