/** `shimmy dashboard export`: a dashboard for Grafana, to be imported there. */
import { grafanaDashboard } from "../telemetry/alerts/dashboard.ts";
import { printJson } from "./output.ts";

export function dashboard(): void {
  printJson(grafanaDashboard());
}
