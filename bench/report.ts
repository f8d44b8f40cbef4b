/** Records → tables of text. Pure; called by run.ts, also after an interrupted run. */

import { number, table } from "../src/bench/format.ts";
import { median } from "../src/bench/measure/figures.ts";
import type { Contestant } from "./contestants/commands.ts";
import type { RunRecord } from "./session.ts";
import type { Issue } from "./targets.ts";
import { type Verdict, verdicts } from "./verdicts.ts";

/** One line of the summary: medians over the rounds. */
export interface SummaryRow {
  readonly model: string;
  readonly workload: string;
  readonly clients: number;
  readonly figure: string;
  readonly unit: string;
  readonly medians: Readonly<Partial<Record<Contestant, number>>>;
  /** ours / reference: of the medians, and the smallest and largest of the rounds. */
  readonly ratio?: { readonly median: number; readonly low: number; readonly high: number };
  /** Who ran it and cannot do it. */
  readonly notServed: readonly Contestant[];
}

export function summarise(runs: readonly RunRecord[]): SummaryRow[] {
  return [...groupBy(runs, (run) => `${run.model}|${run.workload}|${run.clients}`).values()].flatMap((cases) =>
    [...figureNames(cases)].map((name) => summaryRow(cases, name)),
  );
}

function figureNames(runs: readonly RunRecord[]): Set<string> {
  return new Set(["memory loaded", "memory after"].concat(runs.flatMap((run) => run.figures.map((f) => f.name))).sort(memoryLast));
}

function memoryLast(a: string, b: string): number {
  return Number(a.startsWith("memory")) - Number(b.startsWith("memory"));
}

function summaryRow(runs: readonly RunRecord[], figure: string): SummaryRow {
  const { model, workload, clients } = runs[0]!;
  const unit = figure.startsWith("memory") ? "MB RSS" : (runs.flatMap((r) => r.figures).find((f) => f.name === figure)?.unit ?? "");
  const medians: Partial<Record<Contestant, number>> = {};
  for (const [contestant, own] of groupBy(runs, (run) => run.contestant)) {
    const values = own.flatMap((run) => figureOf(run, figure) ?? []);
    if (values.length > 0) medians[contestant] = median(values);
  }
  const ratio = ratioOf(runs, figure, medians);
  const notServed = [...new Set(runs.filter((run) => run.notServed !== undefined).map((run) => run.contestant))];
  return { ...{ model, workload, clients, figure, unit, medians, notServed }, ...(ratio ? { ratio } : {}) };
}

function ratioOf(runs: readonly RunRecord[], figure: string, medians: SummaryRow["medians"]): SummaryRow["ratio"] {
  if (medians.ours === undefined || medians.reference === undefined) return undefined;
  const rounds = [...groupBy(runs, (run) => run.round).values()].flatMap((round) => {
    const ours = round.find((run) => run.contestant === "ours");
    const reference = round.find((run) => run.contestant === "reference");
    const [a, b] = [ours && figureOf(ours, figure), reference && figureOf(reference, figure)];
    return a === undefined || b === undefined ? [] : [a / b];
  });
  return { median: medians.ours / medians.reference, low: Math.min(...rounds), high: Math.max(...rounds) };
}

export function figureOf(run: RunRecord, figure: string): number | undefined {
  if (figure === "memory loaded") return run.memory?.loaded.rss;
  if (figure === "memory after") return run.memory?.after.rss;
  return run.figures.find((f) => f.name === figure)?.value;
}

/** Contestants that ran, those named first in their order and then the variants that a workload added. */
export function contestantsOf(runs: readonly RunRecord[], named: readonly Contestant[]): Contestant[] {
  const ran = new Set(runs.map((run) => run.contestant));
  return [...new Set([...named.filter((name) => ran.has(name)), ...ran])];
}

export function summaryTable(rows: readonly SummaryRow[], contestants: readonly Contestant[], issues: readonly Issue[]): string {
  const judged = verdicts(rows, issues).filter((verdict) => verdict.ratio);
  const head = ["model", "workload", "clients", "figure", ...contestants, "ours/ref", "(rounds)", ...issues.map((n) => `goal #${n}`)];
  const body = rows.map((row, i) => {
    const previous = rows[i - 1];
    const same = previous?.model === row.model && previous.workload === row.workload && previous.clients === row.clients;
    return [
      ...(same ? ["", "", ""] : [row.model, row.workload, String(row.clients)]),
      row.unit === "" ? row.figure : `${row.figure}, ${row.unit}`,
      ...contestants.map((contestant) => cellOf(row, contestant)),
      row.ratio ? row.ratio.median.toFixed(2) : "",
      row.ratio ? `${row.ratio.low.toFixed(2)}–${row.ratio.high.toFixed(2)}` : "",
      ...issues.map((issue) => goalCell(judged.find((verdict) => verdict.issue === issue && isOf(verdict, row)))),
    ];
  });
  return table([head, ...body]);
}

/** What stands under a contestant: its median, or that it cannot do this. */
export function cellOf(row: SummaryRow, contestant: Contestant): string {
  const value = row.medians[contestant];
  return value === undefined && row.notServed.includes(contestant) ? "not served" : number(value);
}

export function isOf(verdict: Verdict, row: SummaryRow): boolean {
  const same = (key: "model" | "workload" | "clients" | "figure") => verdict[key] === row[key];
  return same("model") && same("workload") && same("clients") && same("figure");
}

function goalCell(verdict: Verdict | undefined): string {
  return verdict ? `${verdict.limit} ${verdict.reached ? "reached" : "MISSED"}` : "";
}

/** How often two contestants gave the same greedy text to the same request; they differ where rounding decides between two tokens. */
export function agreement(runs: readonly RunRecord[], a: Contestant, b: Contestant): string {
  let [same, all] = [0, 0];
  for (const group of groupBy(runs, (run) => `${run.round}|${run.model}|${run.workload}|${run.clients}`).values()) {
    const texts = new Map(group.find((run) => run.contestant === b)?.requests.map((r) => [r.promptHash, r.text]));
    for (const request of group.find((run) => run.contestant === a)?.requests ?? []) {
      const other = texts.get(request.promptHash);
      if (other === undefined || request.error !== undefined) continue;
      all++;
      if (other === request.text) same++;
    }
  }
  return `${same} of ${all} answers of ${a} equal those of ${b} (greedy, same prompts)`;
}

/** Everything that makes a figure doubtful, one line each. */
export function problemLines(runs: readonly RunRecord[]): string[] {
  return runs.flatMap((run) => {
    const unserved = run.notServed === undefined ? [] : [`not served: ${run.notServed}`];
    const where = `${run.model} ${run.workload} ${run.clients}, ${run.contestant}, round ${run.round + 1}`;
    return [...run.problems, ...unserved].map((problem) => `! ${where}: ${problem}`);
  });
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
