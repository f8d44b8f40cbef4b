/** Rows of the table about alerts; their conditions are the block `alerts:` of the file. Gathered by `table.ts`. */
import { duration, type Kind, optional, refuse } from "./kinds.ts";
import { SERVE, setting } from "./setting.ts";

/** Of what is read back a bounded number of samples is kept: faster, and they would not reach over the usual window. */
const LEAST_INTERVAL_MS = 1000;
const URL_ALLOWED = "an http or https URL";

const interval: Kind<number> = {
  ...duration,
  allowed: "a time of at least 1s, such as 10s",
  parse: (raw, base) => {
    const value = duration.parse(raw, base);
    return value >= LEAST_INTERVAL_MS ? value : refuse(interval.allowed);
  },
};

const httpUrl: Kind<string> = {
  type: "text",
  placeholder: "<url>",
  allowed: URL_ALLOWED,
  parse: (raw) => {
    const text = raw.trim();
    return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : refuse(URL_ALLOWED);
  },
  format: (value) => value,
};

export const ALERT_SETTINGS = {
  alertInterval: setting({
    kind: interval,
    default: 10_000,
    flag: "alert-interval",
    env: ["SHIMMY_ALERT_INTERVAL"],
    file: "alert_interval",
    help: "How often the conditions of alerts are looked at; without alerts nothing is.",
    commands: SERVE,
  }),
  alertWebhook: setting({
    kind: optional(httpUrl),
    default: undefined,
    flag: "alert-webhook",
    env: ["SHIMMY_ALERT_WEBHOOK"],
    file: "alert_webhook",
    help: "URL that is told when an alert fires and when it ends, in the JSON of Alertmanager's webhooks.",
    secret: true,
    commands: SERVE,
  }),
} as const;
