/** What /metrics tells of upstreams. Mirrors of what they count themselves, read at a scrape. Called by instruments.ts; knows no upstream. */
import type { Registry } from "prom-client";

export interface UpstreamGauges {
  /** Its configured name. */
  readonly upstream: string;
  readonly state: "closed" | "half-open" | "open";
  readonly inFlight: number;
  /** How often its breaker opened. */
  readonly opened: number;
  /** Requests by their end: a whole answer, its failure, its refusal, the caller left. */
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  readonly left: number;
}

const STATES = { closed: 0, "half-open": 1, open: 2 } as const;
const ENDS = ["answered", "failed", "refused", "left"] as const;

export function addUpstreamMetrics(
  { Counter, Gauge }: typeof import("prom-client"),
  registers: Registry[],
  read: () => readonly UpstreamGauges[],
): void {
  const labelNames = ["upstream"];
  new Gauge({
    name: "shimmy_upstream_breaker_state",
    help: "0: it is asked; 1: one request tries it; 2: it is not asked.",
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { upstream, state } of read()) this.set({ upstream }, STATES[state]);
    },
  });
  new Gauge({
    name: "shimmy_upstream_in_flight",
    help: "Requests that an upstream works on for this server.",
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { upstream, inFlight } of read()) this.set({ upstream }, inFlight);
    },
  });
  new Counter({
    name: "shimmy_upstream_breaker_opens_total",
    help: "How often an upstream was found not to answer.",
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { upstream, opened } of read()) this.inc({ upstream }, opened);
    },
  });
  new Counter({
    name: "shimmy_upstream_requests_total",
    help: "Requests to an upstream by their end: answered, failed, refused, left (by the caller).",
    labelNames: [...labelNames, "end"],
    registers,
    collect() {
      this.reset();
      for (const gauges of read()) for (const end of ENDS) this.inc({ upstream: gauges.upstream, end }, gauges[end]);
    },
  });
}
