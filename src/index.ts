/**
 * The library: the same server inside another program. `createShimmy()` gives a fetch handler to mount anywhere and the
 * generator behind it; the command line is built from the same parts.
 */
import { assemble, servicesOf, tracingOf, VERSION } from "./assemble.ts";
import { type FlagValues, loadConfig } from "./config/load.ts";
import type { Embedder, Tokenizer } from "./contract/embedding.ts";
import type { Generator } from "./contract/generation.ts";
import type { Lifecycle } from "./contract/lifecycle.ts";
import type { ModelStatus } from "./contract/model.ts";

export type { Config } from "./config/table.ts";
export type * from "./contract/embedding.ts";
export { ERRORS, type ErrorCode, ShimmyError } from "./contract/errors.ts";
export type * from "./contract/generation.ts";
export type * from "./contract/lifecycle.ts";
export type { ModelInfo, ModelState, ModelStatus } from "./contract/model.ts";
export { VERSION };

export interface Shimmy {
  /** Answers a request of the Fetch API; every route of the server. */
  fetch(request: Request): Promise<Response>;
  readonly generator: Generator;
  /** Vectors of texts, and scores of pairs. */
  readonly embedder: Embedder;
  /** Texts to tokens and back. */
  readonly tokenizer: Tokenizer;
  /** Loads, unloads and tells about models. */
  readonly lifecycle: Lifecycle;
  models(): Promise<readonly ModelStatus[]>;
  /** Ends the engine processes, stops watching the model folders and the alerts, and sends what is left of traces. */
  close(): Promise<void>;
}

/**
 * @param settings by the names of docs/settings.md in camelCase, with values as their flags take them; environment and file
 * are read as by the command line, OpenTelemetry's variables too. Start-up time is that of this call.
 * @example
 * const shimmy = await createShimmy({ modelDirs: ["./models"] });
 * const response = await shimmy.fetch(new Request("http://localhost/v1/models"));
 */
export async function createShimmy(settings: FlagValues = {}): Promise<Shimmy> {
  const startedAt = performance.now();
  const loaded = await loadConfig(settings);
  const assembly = assemble(loaded, { watches: true });
  const { pool, upstreams, puller, catalogue, responseStore, alerts, metrics } = assembly;
  const [{ createApp }, tracing] = await Promise.all([import("./server/app.ts"), tracingOf(assembly)]);
  // Whoever mounts the handler decides who can connect; the Host header is theirs to check.
  const services = servicesOf(assembly, loaded, { loopback: false, state: () => "ready", ...(tracing && { tracing }) });
  const app = createApp(services);
  metrics.listening({ seconds: (performance.now() - startedAt) / 1000, baseBytes: process.memoryUsage.rss() });
  await alerts.start();
  return {
    fetch: async (request) => app.fetch(request),
    generator: services.generator,
    embedder: services.embedder,
    tokenizer: services.tokenizer,
    lifecycle: pool.lifecycle,
    models: () => services.models(),
    close: async () => {
      await Promise.all([alerts.stop(), puller.close(), services.jobs.close()]);
      await Promise.all([pool.stop(), upstreams?.close(), catalogue.close()]);
      await Promise.all([responseStore.close(), tracing?.close()]);
    },
  };
}
