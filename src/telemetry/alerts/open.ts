/** Starts the watch over configured alerts. Loaded by assemble.ts only where there are some: others pay nothing for them. */
import { hostname } from "node:os";
import type { LoadedConfig } from "../../config/load.ts";
import { ShimmyError } from "../../contract/errors.ts";
import { KEPT_SECONDS, type MetricsView, MOST_SAMPLES } from "../../contract/observation.ts";
import type { Logger } from "../log.ts";
import { type AlertFile, AlertMemory } from "./memory.ts";
import { type AlertOrigin, webhookMessage } from "./message.ts";
import { type AlertRule, checkNames, readRules } from "./rule.ts";
import { AlertWatch } from "./watch.ts";
import { Webhook } from "./webhook.ts";

export interface OpenAlerts {
  readonly watch: AlertWatch;
  /** Nothing more is looked at, and nobody told. Resolves when what was told is on the disk. */
  stop(): Promise<void>;
}

export interface OpenOptions {
  readonly loaded: Pick<LoadedConfig, "config" | "alerts" | "file">;
  readonly view: MetricsView;
  readonly log: Logger;
  /** Where the server is reached. */
  readonly url?: string;
  /** What outlives this process is kept there. */
  readonly file: AlertFile;
}

/** @throws invalid_setting if a condition cannot be understood, or names a metric that is not there */
export async function openAlerts({ loaded, view, log, url, file }: OpenOptions): Promise<OpenAlerts> {
  const { alertInterval, alertWebhook, metrics } = loaded.config;
  const rules = readRules(loaded);
  checkWindows(rules, alertInterval, loaded.file);
  const webhook = alertWebhook === undefined ? undefined : new Webhook({ url: alertWebhook, log });
  const origin: AlertOrigin = { instance: url ? `${hostname()}:${new URL(url).port}` : hostname(), ...(url !== undefined && { url }) };
  const memory = new AlertMemory({ file, log, instance: origin.instance, url: alertWebhook });
  const recalled = await memory.recall(rules.filter(({ notice }) => notice.enabled));
  const { silences, firing } = recalled;
  if (silences.size + firing.size > 0) log.info("alerts from before the restart", { silences: silences.size, firing: firing.size });
  const watch = new AlertWatch({
    ...{ rules, memory, recalled },
    view,
    log,
    intervalMs: alertInterval,
    instance: origin.instance,
    tell: (alert, interval, taken) => (webhook ? webhook.tell(alert.name, webhookMessage(alert, interval, origin), taken) : taken()),
  });
  // The first sample tells which metrics there are; the start of every window is there, too.
  await view.sample();
  checkNames(rules, view.names(), loaded.file);
  if (!metrics) log.warn("requests are not counted (metrics is off), so alerts about them will not fire");
  watch.judge();
  watch.start();
  return {
    watch,
    stop: () => {
      watch.stop();
      webhook?.stop();
      return memory.settled();
    },
  };
}

/** Samples are kept in a bounded number, so a short interval allows for short windows only. */
function checkWindows(rules: readonly AlertRule[], intervalMs: number, file = "alerts"): void {
  const most = Math.min(KEPT_SECONDS, (intervalMs / 1000) * MOST_SAMPLES);
  const wrong = rules.find(({ windowSeconds }) => windowSeconds > most);
  if (!wrong) return;
  const reason = `looking every ${intervalMs / 1000} s, at most ${Math.floor(most)} s can be looked back: raise alert_interval`;
  throw new ShimmyError("invalid_setting", {
    source: file,
    name: `alerts.${wrong.name}.window`,
    value: `'${wrong.windowSeconds}s'`,
    reason,
  });
}
