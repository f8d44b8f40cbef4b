/** /api/alerts: how the configured alerts stand, and silence for those that are known. */
import * as z from "zod/mini";
import { BadValue, duration } from "../../config/kinds.ts";
import type { AlertStatus } from "../../contract/alerts.ts";
import { ShimmyError } from "../../contract/errors.ts";
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
  enabled: z.boolean(),
  severity: z.string(),
  labels: z.record(z.string(), z.string()),
  summary: z.string(),
  description: z.string(),
  repeat_seconds: z.number(),
  silenced_until: z.optional(z.string()),
});

const silenceSchema = z.object({ name: z.string(), for: z.string() });
/** A week: what is longer is no silence but another configuration. */
const LONGEST_SILENCE_SECONDS = 7 * 24 * 3600;

export const ALERT_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/api/alerts",
    doc: { summary: "How the configured alerts stand", tag: "Server", answer: z.object({ alerts: z.array(alertSchema) }) },
    handle: ({ alerts }) => Response.json({ alerts: alerts.statuses().map(wireAlert) }),
  },
  {
    method: "POST",
    path: "/api/alerts/silence",
    doc: {
      summary: "Tell the webhook nothing of an alert for a while, 0 to end that; a restart does not end it",
      ...{ tag: "Server", body: silenceSchema, answer: alertSchema },
    },
    async handle({ alerts }, { json }) {
      const asked = silenceSchema.safeParse(await json());
      if (!asked.success) throw new ShimmyError("invalid_value", { param: "name, for", reason: "both must be text" });
      const { name, for: time } = asked.data;
      const silenced = await alerts.silence(name, readSilence(time));
      if (!silenced) throw new ShimmyError("alert_not_found", { alert: name.slice(0, 100) });
      return Response.json(wireAlert(silenced));
    },
  },
];

export type WireAlert = z.infer<typeof alertSchema>;

function readSilence(text: string): number {
  try {
    const seconds = duration.parse(text, { folder: "", home: "" }) / 1000;
    if (seconds <= LONGEST_SILENCE_SECONDS) return seconds;
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
  }
  throw new ShimmyError("invalid_value", { param: "for", reason: "it must be a time such as 30m or 2h, at most 7d" });
}

/** `value` and `limit` in the base unit: seconds, bytes, and 0.05 for 5 %; null while there is nothing to tell. */
function wireAlert(status: AlertStatus): WireAlert {
  const { name, condition, state, value, limit, unit, since, windowSeconds, holdSeconds } = status;
  const { enabled, severity, labels, summary, description, repeatSeconds, silencedUntil } = status;
  return {
    ...{ name, condition, state, value: value ?? null, limit: limit ?? null, unit, since: new Date(since).toISOString() },
    ...{ window_seconds: windowSeconds, for_seconds: holdSeconds, enabled, severity, labels: { ...labels }, summary, description },
    repeat_seconds: repeatSeconds,
    ...(silencedUntil !== undefined && { silenced_until: new Date(silencedUntil).toISOString() }),
  };
}
