/** `shimmy serve`: listens, says so, loads what is to be loaded, and drains when it is told to end. */
import { servicesOf, tracingOf, VERSION } from "../assemble.ts";
import { changedSettings } from "../config/describe.ts";
import { isLoopback, listenAddress } from "../config/listen.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ShimmyError } from "../contract/errors.ts";
import { type Listening, listen } from "../server/listen.ts";
import type { Services } from "../server/services.ts";
import type { Logger } from "../telemetry/log.ts";
import { openServer } from "./open.ts";
import { endUnread } from "./output.ts";

export async function serve(loaded: LoadedConfig, flags: { json?: boolean }): Promise<void> {
  const { config } = loaded;
  const assembly = await openServer(loaded);
  const { log, pool, upstreams, puller, catalogue, responseStore, alerts } = assembly;
  for (const warning of loaded.warnings) log.warn(warning);

  const address = listenAddress(loaded);
  let state: ReturnType<Services["state"]> = config.preload.length > 0 ? "loading" : "ready";
  const tracing = await tracingOf(assembly);
  const loopback = isLoopback(address.host);
  const services = servicesOf(assembly, loaded, { loopback, state: () => state, ...(tracing && { tracing }) });
  // Before the socket: an engine takes longer to start than a server.
  const preloading = Promise.all(config.preload.map(async (name) => pool.load((await pool.resolve(name)).info)));
  preloading.catch(() => undefined); // told below
  let listening: Listening | undefined;
  try {
    listening = await listen(services, address);
    assembly.metrics.listening({ seconds: process.uptime(), baseBytes: process.memoryUsage.rss() });
    await alerts.start(listening.url);
    // Before the ready line: whoever reads it may send a signal at once.
    drainOnSignal(async () => {
      state = "settling";
      log.info("draining");
      const told = alerts.stop();
      await listening?.settle(config.drainSettle);
      state = "draining";
      log.info("connections are refused");
      // What was fetched stays: a pull of hours does not hold up the end.
      await Promise.all([puller.close(), services.jobs.close()]);
      const { runningOf } = await import("../server/responses/running.ts");
      // Those in the background have no connection that would wait for them.
      await Promise.all([listening?.close(config.drainTimeout), runningOf(services).ended(config.drainTimeout)]);
      await Promise.all([pool.stop(), upstreams?.close(), catalogue.close()]);
      // What ran in the background has ended, with the pool at the latest, and is kept as it ended.
      await Promise.all([responseStore.close(), tracing?.close(), told]);
    });
    keepWithoutOutput(log);
    announce(listening, flags.json || config.logFormat === "json");
    log.debug("settings", changedSettings(loaded));
    await preloading;
    if (state === "loading") state = "ready";
    await services.jobs.resume().catch((error: unknown) => log.error("batches cannot go on", { err: ShimmyError.from(error) }));
  } catch (error) {
    // Never ready is worse than gone: whoever supervises the process sees an exit code.
    await listening?.close(0);
    await pool.stop();
    throw error;
  }
}

function announce({ url, host, port }: Listening, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: "ready", url, host, port, version: VERSION, pid: process.pid })}\n`);
    return;
  }
  process.stdout.write(`shimmy ${VERSION} is ready on ${url}\n`);
  const body = `{"messages":[{"role":"user","content":"Hello!"}]}`;
  process.stderr.write(`try: curl ${url}/v1/chat/completions -H 'Content-Type: application/json' -d '${body}'\n`);
}

/** A full disk under `> shimmy.log` takes the ready line and no more. Whoever waited for that line and has gone (EPIPE) wants no server. */
function keepWithoutOutput(log: Logger): void {
  process.stdout.off("error", endUnread).on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") endUnread(error);
    log.warn("the ready line cannot be written", { reason: error.code });
  });
}

/** One Ctrl-C may come twice: from the terminal, and from npm or `timeout`, which pass theirs on. */
const ONE_PRESS_MS = 400;

/** The first signal drains; a second one ends at once. */
function drainOnSignal(drain: () => Promise<void>): void {
  let drainsSince: number | undefined;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (drainsSince !== undefined && now - drainsSince < ONE_PRESS_MS) return;
      if (drainsSince !== undefined) process.exit(128 + (signal === "SIGTERM" ? 15 : 2));
      drainsSince = now;
      drain().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  }
}
