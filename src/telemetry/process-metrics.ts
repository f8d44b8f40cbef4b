/**
 * Metrics of the gateway process and of all processes together. Added by instruments.ts. Not prom-client's default set: that starts
 * timers and observers for good, and an idle server has none. The delay of the event loop is watched only while somebody scrapes.
 */
import { availableParallelism, freemem, totalmem } from "node:os";
import { type IntervalHistogram, monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Registry } from "prom-client";
import { KEY_METRICS } from "../contract/observation.ts";
import type { ModelGauges, StartFigures } from "./metrics.ts";
import { privateBytes } from "./process-usage.ts";
import { enginesResidentBytes } from "./state-metrics.ts";

type Prometheus = typeof import("prom-client");

export interface ProcessSources {
  readonly models: () => readonly ModelGauges[];
  /** Absent: nobody has told. */
  readonly start: () => StartFigures | undefined;
}

export function addProcessMetrics({ Counter, Gauge }: Prometheus, registers: Registry[], { models, start }: ProcessSources): void {
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        const value = read();
        this.reset();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  gauge("process_resident_memory_bytes", "Resident memory of the gateway.", () => process.memoryUsage.rss());
  gauge("shimmy_gateway_private_memory_bytes", "Memory that only the gateway holds; Linux only.", () => privateBytes());
  gauge(KEY_METRICS.startup, "From the start of the process until it listened; of the library: of createShimmy.", () => start()?.seconds);
  gauge("shimmy_base_memory_bytes", "Resident memory of the gateway when it was ready to answer.", () => start()?.baseBytes);
  gauge(KEY_METRICS.memory, "Resident memory of the gateway and of all engines, mapped weights counted.", () => {
    return process.memoryUsage.rss() + enginesResidentBytes(models());
  });
  gauge(KEY_METRICS.expectedMemory, "The base memory, and what the models are counted with against the memory budget.", () => {
    return models().reduce((sum, { memoryBytes = 0 }) => sum + memoryBytes, start()?.baseBytes ?? 0);
  });
  gauge("shimmy_machine_memory_bytes", "Memory of the machine.", totalmem);
  gauge("shimmy_machine_free_memory_bytes", "Memory that nothing uses.", freemem);
  gauge("shimmy_machine_cpus", "Processors that may be used.", availableParallelism);
  gauge("nodejs_active_resources", "What keeps the gateway's event loop alive: sockets, timers, pipes of engines.", () => {
    return process.getActiveResourcesInfo().length;
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of the gateway, user and system.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({ name: "process_start_time_seconds", help: "Start of the gateway since the epoch.", registers }).set(
    Math.floor(Date.now() / 1000 - process.uptime()),
  );
  addEventLoop(Gauge, registers);
}

/** Milliseconds between two looks at the loop, and after the last scrape until nobody looks any more. */
const LOOK_EVERY_MS = 20;
const WATCH_MS = 90_000;

/** Since the last scrape: the first one has nothing to tell of the delay. */
function addEventLoop(Gauge: Prometheus["Gauge"], registers: Registry[]): void {
  let watched: { readonly delays: IntervalHistogram; readonly end: NodeJS.Timeout } | undefined;
  let before = performance.eventLoopUtilization();
  new Gauge({
    name: "nodejs_eventloop_delay_seconds",
    help: "How late the gateway's event loop was since the last scrape, by percentile; absent at the first one in a while.",
    labelNames: ["percentile"],
    registers,
    collect() {
      this.reset();
      if (watched) {
        const { delays, end } = watched;
        // It tells whole intervals: what is above its own is the delay.
        const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LOOK_EVERY_MS / 1000);
        if (delays.count > 0) for (const p of [50, 99]) this.set({ percentile: String(p) }, late(delays.percentile(p)));
        if (delays.count > 0) this.set({ percentile: "100" }, late(delays.max));
        delays.reset();
        end.refresh();
      } else {
        const delays = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
        delays.enable();
        const stop = () => {
          delays.disable();
          watched = undefined;
        };
        watched = { delays, end: setTimeout(stop, WATCH_MS).unref() };
      }
    },
  });
  new Gauge({
    name: "nodejs_eventloop_utilization",
    help: "Share of the time since the last scrape in which the gateway's event loop was busy.",
    registers,
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  });
}
