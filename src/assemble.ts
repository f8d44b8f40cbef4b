/**
 * Puts the rooms together: catalogue, pool, metrics, log, from one configuration. Called by the commands of cli/ and by the
 * library; the only place that knows them all.
 */
import { fileURLToPath } from "node:url";
import { isLoopback } from "./config/listen.ts";
import type { LoadedConfig } from "./config/load.ts";
import { Catalogue } from "./models/catalogue.ts";
import { idOfFile } from "./models/names.ts";
import { Pool } from "./pool/pool.ts";
import type { Services } from "./server/services.ts";
import { createLogger, type Logger, type LogLevel } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";

declare const SHIMMY_VERSION: string;

/** From package.json, set by the build. */
export const VERSION = SHIMMY_VERSION;

/** Beside dist/ in the package. */
const EMBEDDED_MODEL = fileURLToPath(new URL("../models/shimmy-tiny/shimmy-tiny-q8_0.gguf", import.meta.url));

export interface Assembly {
  readonly log: Logger;
  readonly catalogue: Catalogue;
  readonly metrics: Metrics;
  readonly pool: Pool;
}

export function assemble({ config }: Pick<LoadedConfig, "config">, options: { logLevel?: LogLevel } = {}): Assembly {
  const log = createLogger({ level: options.logLevel ?? config.logLevel, format: config.logFormat });
  const catalogue = new Catalogue({
    dirs: ["models", ...config.modelDirs],
    files: config.modelPath === undefined ? [] : [config.modelPath],
    ...(config.embeddedModel && { embedded: EMBEDDED_MODEL }),
    onSkip: (path, reason) => log.debug("not a model", { path, reason }),
  });
  const defaultModel = config.defaultModel ?? (config.modelPath === undefined ? undefined : idOfFile(config.modelPath));
  // Each needs the other: the pool records, and what it holds is read at a scrape.
  const metrics: Metrics = new Metrics({ version: VERSION, models: () => pool.gauges() });
  const local = config.bind === "auto" || isLoopback(config.bind.host);
  const isolateCallers = config.isolateKeys === "on" || (config.isolateKeys === "auto" && !local);
  const pool: Pool = new Pool({ catalogue, settings: { ...config, defaultModel, isolateCallers }, log, metrics });
  return { log, catalogue, metrics, pool };
}

/** What the door is given; how it is reached and whether the server takes work is left to whoever opens it. */
export function servicesOf(
  { log, metrics, pool }: Assembly,
  { config }: Pick<LoadedConfig, "config">,
  door: Pick<Services, "guards" | "state">,
): Services {
  return {
    config,
    generator: pool,
    models: () => pool.statuses(),
    modelCounts: () => pool.counts(),
    lifecycle: pool.lifecycle,
    metrics,
    log,
    version: VERSION,
    startedAt: Date.now(),
    ...door,
  };
}
