/** GET /api/alerts: how the configured alerts stand. */
import * as z from "zod/mini";
import type { AlertStatus } from "../../contract/alerts.ts";
import type { ApiRoute } from "./route.ts";

const alertSchema = z.object({
  name: z.string(),
  condition: z.string(),
  state: z.enum(["ok", "pending", "firing"]),
  value: z.nullable(z.number()),
  limit: z.nullable(z.number()),
  unit: z.enum(["seconds", "bytes", "percent", "number"]),
  since: z.string(),
  window_seconds: z.number(),
  for_seconds: z.number(),
});

export const ALERT_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/api/alerts",
    doc: { summary: "How the configured alerts stand", tag: "Server", answer: z.object({ alerts: z.array(alertSchema) }) },
    handle: ({ alerts }) => Response.json({ alerts: alerts.statuses().map(wireAlert) }),
  },
];

export type WireAlert = z.infer<typeof alertSchema>;

/** `value` and `limit` in the base unit: seconds, bytes, and 0.05 for 5 %; null while there is nothing to tell. */
function wireAlert({ name, condition, state, value, limit, unit, since, windowSeconds, holdSeconds }: AlertStatus): WireAlert {
  return {
    name,
    condition,
    state,
    value: value ?? null,
    limit: limit ?? null,
    unit,
    since: new Date(since).toISOString(),
    window_seconds: windowSeconds,
    for_seconds: holdSeconds,
  };
}
