/** GET /health: whether the server lives and what it serves. Answered without the application, so it must stay light. */
import type { Degraded } from "../contract/hardware.ts";
import type { UpstreamTrouble } from "../contract/upstream.ts";
import type { ModelCounts, Services } from "./services.ts";

export interface Health {
  readonly status: "ok" | "loading" | "draining";
  readonly service: "shimmy";
  readonly version: string;
  readonly uptime_seconds: number;
  readonly timestamp: string;
  readonly models: ModelCounts;
  /** Backends that failed, so that slower ones answer, upstreams that are not asked, lost parts; absent while all is well. */
  readonly degraded?: ReadonlyArray<
    | ({ readonly reason: string; readonly retry_after: number } & ({ readonly backend: string } | { readonly upstream: number }))
    /** No time heals it. */
    | { readonly part: "package"; readonly reason: string }
  >;
}

/** @returns HTTP status (503 while it should get no traffic) and the JSON body. */
export async function health(
  services: Pick<Services, "state" | "version" | "startedAt" | "modelCounts" | "hardware" | "upstreamTroubles" | "installation">,
): Promise<{ status: number; body: Health }> {
  const state = services.state();
  const degraded = [
    ...services.hardware.degraded().map(wireDegraded),
    ...services.upstreamTroubles().map(wireTrouble),
    ...(services.installation.replaced ? [REPLACED] : []),
  ];
  const body: Health = {
    status: state === "ready" ? "ok" : state === "settling" ? "draining" : state,
    service: "shimmy",
    version: services.version,
    uptime_seconds: Math.round((Date.now() - services.startedAt) / 1000),
    timestamp: new Date().toISOString(),
    models: await services.modelCounts(),
    ...(degraded.length > 0 && { degraded }),
  };
  return { status: state === "ready" ? 200 : 503, body };
}

const REPLACED = { part: "package", reason: "shimmy was updated or removed while it runs: restart it" } as const;

function wireTrouble({ upstream, reason, retryAfterSeconds }: UpstreamTrouble) {
  return { upstream, reason, retry_after: retryAfterSeconds };
}

/** Seconds until it may be tried again. */
export function wireDegraded({ backend, reason, retryAfterSeconds }: Degraded) {
  return { backend, reason, retry_after: retryAfterSeconds };
}
