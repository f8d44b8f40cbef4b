/**
 * An alert as the JSON that Alertmanager sends to webhooks, version 4, so that what understands those understands Shimmy.
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Pure; called by watch.ts.
 */
import type { AlertStatus, AlertUnit } from "../../contract/alerts.ts";

export interface AlertOrigin {
  /** `host:port`, to tell servers apart. */
  readonly instance: string;
  /** Where the server is reached; absent in a program that serves itself. */
  readonly url?: string;
}

export interface AlertInterval {
  readonly startsAt: number;
  /** Absent: it fires still. */
  readonly endsAt?: number;
}

/** What Alertmanager sends where nothing has ended. */
const NEVER = "0001-01-01T00:00:00Z";
const JOB = "shimmy";

/** Each alert is a group of its own, so that the end of one never closes another in what goes by groups. */
export function webhookMessage(alert: AlertStatus, { startsAt, endsAt }: AlertInterval, { instance, url = "" }: AlertOrigin) {
  const status = endsAt === undefined ? "firing" : "resolved";
  const labels: Readonly<Record<string, string>> = { ...alert.labels, alertname: alert.name, instance, job: JOB, severity: alert.severity };
  const annotations = { summary: alert.summary, description: alert.description };
  const groupLabels = { alertname: alert.name };
  return {
    version: "4",
    groupKey: `{}:{alertname=${JSON.stringify(alert.name)}}`,
    truncatedAlerts: 0,
    status,
    receiver: JOB,
    groupLabels,
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: url,
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt: new Date(startsAt).toISOString(),
        endsAt: endsAt === undefined ? NEVER : new Date(endsAt).toISOString(),
        generatorURL: url && `${url}/api/alerts`,
        fingerprint: fingerprint(labels),
      },
    ],
  };
}

export type WebhookMessage = ReturnType<typeof webhookMessage>;

/** For people: `7.3%`, `2.1 s`, `312.4 MB`. */
export function readable(value: number | undefined, unit: AlertUnit): string {
  if (value === undefined) return "unknown";
  if (unit === "percent") return `${rounded(value * 100)}%`;
  if (unit === "bytes") return `${rounded(value / 1024 ** 2)} MB`;
  return unit === "seconds" ? `${rounded(value)} s` : rounded(value);
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/**
 * FNV-1a of 64 bits over the labels in order, each followed by the byte 255: as `LabelSet.Fingerprint` of
 * github.com/prometheus/common/model, so that Shimmy's alert has the number that Alertmanager would give it.
 */
export function fingerprint(labels: Readonly<Record<string, string>>): string {
  let hash = 0xcbf29ce484222325n;
  const add = (byte: number) => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  };
  for (const name of Object.keys(labels).sort()) {
    for (const text of [name, labels[name]!]) {
      for (const byte of Buffer.from(text)) add(byte);
      add(255);
    }
  }
  return hash.toString(16).padStart(16, "0");
}
