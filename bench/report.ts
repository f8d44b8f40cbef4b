/** Records → tables of text. Pure; called by run.ts, also after an interrupted run. */
import type { Contestant } from "./contestants/commands.ts";
import { median } from "./measure/figures.ts";
import type { RunRecord } from "./session.ts";
import { goalOf } from "./targets.ts";

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
  readonly goal?: number;
  readonly reached?: boolean;
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
  const goal = goalOf(workload, model, clients, figure);
  const higher = runs.flatMap((r) => r.figures).find((f) => f.name === figure)?.better === "higher";
  const reached = goal === undefined || !ratio ? undefined : higher ? ratio.median >= goal : ratio.median <= goal;
  return {
    ...{ model, workload, clients, figure, unit, medians },
    ...(ratio ? { ratio } : {}),
    ...(goal === undefined ? {} : { goal }),
    ...(reached === undefined ? {} : { reached }),
  };
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

function figureOf(run: RunRecord, figure: string): number | undefined {
  if (figure === "memory loaded") return run.memory?.loaded.rss;
  if (figure === "memory after") return run.memory?.after.rss;
  return run.figures.find((f) => f.name === figure)?.value;
}

export function summaryTable(rows: readonly SummaryRow[], contestants: readonly Contestant[]): string {
  const head = ["model", "workload", "clients", "figure", ...contestants, "ours/ref", "(rounds)", "goal"];
  const body = rows.map((row, i) => {
    const previous = rows[i - 1];
    const same = previous?.model === row.model && previous.workload === row.workload && previous.clients === row.clients;
    return [
      ...(same ? ["", "", ""] : [row.model, row.workload, String(row.clients)]),
      row.unit === "" ? row.figure : `${row.figure}, ${row.unit}`,
      ...contestants.map((c) => number(row.medians[c])),
      row.ratio ? row.ratio.median.toFixed(2) : "",
      row.ratio ? `${row.ratio.low.toFixed(2)}–${row.ratio.high.toFixed(2)}` : "",
      row.goal === undefined ? "" : `${row.goal}${row.reached === undefined ? "" : row.reached ? " reached" : " MISSED"}`,
    ];
  });
  return table([head, ...body]);
}

/** How often two contestants gave the same greedy text to the same request; they differ where rounding decides between two tokens. */
export function agreement(runs: readonly RunRecord[], a: Contestant, b: Contestant): string {
  let [same, all] = [0, 0];
  for (const group of groupBy(runs, (run) => `${run.round}|${run.model}|${run.workload}|${run.clients}`).values()) {
    const texts = new Map(group.find((run) => run.contestant === b)?.requests.map((r) => [r.promptHash, r.text]));
    for (const request of group.find((run) => run.contestant === a)?.requests ?? []) {
      const other = texts.get(request.promptHash);
      if (other === undefined) continue;
      all++;
      if (other === request.text) same++;
    }
  }
  return `${same} of ${all} answers of ${a} equal those of ${b} (greedy, same prompts)`;
}

/** Everything that makes a figure doubtful, one line each. */
export function problemLines(runs: readonly RunRecord[]): string[] {
  return runs.flatMap((run) =>
    run.problems.map((problem) => `! ${run.model} ${run.workload} ${run.clients}, ${run.contestant}, round ${run.round + 1}: ${problem}`),
  );
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (text: string) => /^[\d.–-]+$/.test(text);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (isNumber(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
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
