/** `shimmy alerts`: how the alerts of a running server stand, silence for one of them, and the configured ones as rules of Prometheus. */
import { VERSION } from "../assemble.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { WireAlert } from "../server/api/alerts.ts";
import { readable } from "../telemetry/alerts/message.ts";
import { prometheusRules } from "../telemetry/alerts/prometheus-rules.ts";
import { checkNames, readRules } from "../telemetry/alerts/rule.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { printJson, printTable } from "./output.ts";
import { noShimmy, remote } from "./remote.ts";

export type AlertsAction = "list" | "silence" | "export";

interface Flags {
  readonly url?: string;
  readonly json?: boolean;
  /** How long it is silent; 0 ends that. */
  readonly for?: string;
}

/** @param name of the alert, for silence */
export async function alerts(loaded: LoadedConfig, action: AlertsAction, name: string, flags: Flags): Promise<void> {
  if (action === "export") return exportRules(loaded, flags.json);
  if (action === "silence") return silence(loaded, name, flags);
  const server = remote(loaded, flags.url);
  const answer = (await server.ask("GET", "/api/alerts")) as { alerts: WireAlert[] };
  if (!Array.isArray(answer.alerts)) throw noShimmy(server.url);
  if (flags.json) return printJson(answer);
  if (answer.alerts.length > 0) printTable([["ALERT", "STATE", "VALUE", "LIMIT", "SINCE", "CONDITION"], ...answer.alerts.map(row)]);
  const firing = answer.alerts.filter(({ state }) => state === "firing").length;
  process.stderr.write(`${answer.alerts.length} alerts, ${firing} firing\n`);
}

async function silence(loaded: LoadedConfig, name: string, { url, json, for: time }: Flags): Promise<void> {
  const silenced = (await remote(loaded, url).ask("POST", "/api/alerts/silence", { name, for: time })) as WireAlert;
  if (json) return printJson(silenced);
  const until = silenced.silenced_until;
  process.stderr.write(until === undefined ? `${silenced.name} is told again\n` : `${silenced.name} is silent until ${until}\n`);
}

function row({ name, state, value, limit, unit, since, condition }: WireAlert): string[] {
  return [name, state, readable(value ?? undefined, unit), readable(limit ?? undefined, unit), since, condition];
}

/** YAML as Prometheus reads it (`rule_files`); promtool check rules accepts it. */
async function exportRules(loaded: LoadedConfig, json: boolean | undefined): Promise<void> {
  const rules = readRules(loaded);
  const view = await new Metrics({ version: VERSION, models: () => [] }).view();
  await view.sample();
  checkNames(rules, view.names(), loaded.file);
  if (rules.length === 0) process.stderr.write("There are no alerts: the block alerts: of shimmy.yaml is empty or missing.\n");
  const exported = prometheusRules(rules);
  if (json) return printJson(exported);
  const { stringify } = (await import("yaml")).default;
  process.stdout.write(stringify(exported, { lineWidth: 0 }));
}
