/** `shimmy plan`: what traffic needs on this machine, from a short measured run. `init --template integration` writes the same down. */
import type { LoadedConfig } from "../config/load.ts";
import { FORMULA, measuredRows, type Row, resourceRows, trafficText } from "../deploy/plan/text.ts";
import { printable, printJson } from "./output.ts";
import { makePlan, type PlanFlags } from "./planned.ts";

export async function plan(loaded: LoadedConfig, { json, ...flags }: PlanFlags & { readonly json?: boolean }): Promise<void> {
  const { report } = await makePlan(loaded, flags);
  if (json) return printJson(report);
  const sections = [
    [`Traffic: ${trafficText(report)}`, `Model: ${report.model.id}`],
    [`Measured in ${Math.round(report.measured.tookMs / 1000)} s:`, ...lines(measuredRows(report))],
    ["Planned:", ...lines(resourceRows(report))],
    ["How it is worked out:", ...FORMULA.map((sentence) => `  ${sentence}`)],
  ];
  process.stdout.write(`${printable(sections.map((section) => section.join("\n")).join("\n\n"), { lines: true })}\n`);
}

function lines(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
