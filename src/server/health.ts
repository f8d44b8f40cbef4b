/** GET /health: whether the server lives and what it serves. Answered without the application, so it must stay light. */
import type { ModelCounts, Services } from "./services.ts";

export interface Health {
  readonly status: "ok" | "loading" | "draining";
  readonly service: "shimmy";
  readonly version: string;
  readonly uptime_seconds: number;
  readonly timestamp: string;
  readonly models: ModelCounts;
}

/** @returns HTTP status (503 while it should get no traffic) and the JSON body. */
export async function health(
  services: Pick<Services, "state" | "version" | "startedAt" | "modelCounts">,
): Promise<{ status: number; body: Health }> {
  const state = services.state();
  const body: Health = {
    status: state === "ready" ? "ok" : state,
    service: "shimmy",
    version: services.version,
    uptime_seconds: Math.round((Date.now() - services.startedAt) / 1000),
    timestamp: new Date().toISOString(),
    models: await services.modelCounts(),
  };
  return { status: state === "ready" ? 200 : 503, body };
}
