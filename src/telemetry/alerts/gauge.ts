/** shimmy_alert_firing, which tells at each scrape how the alerts stand. Called by instruments.ts; it must not import prom-client itself. */
import type { Registry } from "prom-client";
import type { AlertStatus } from "../../contract/alerts.ts";

export function addAlertGauge(
  { Gauge }: typeof import("prom-client"),
  registers: Registry[],
  alerts: () => readonly Pick<AlertStatus, "name" | "state" | "enabled">[],
): void {
  new Gauge({
    name: "shimmy_alert_firing",
    help: "1 while the alert fires, else 0.",
    labelNames: ["alert"],
    registers,
    collect() {
      for (const { name, state, enabled } of alerts()) if (enabled) this.set({ alert: name }, Number(state === "firing"));
    },
  });
}
