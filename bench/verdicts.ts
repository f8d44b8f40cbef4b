/** Summaries against goals: what is reached and what is not. Pure; called by report.ts and page.ts. */
import { precise } from "../src/bench/format.ts";
import type { SummaryRow } from "./report.ts";
import { GOALS, type Goal, type Issue, MEMORY_AFTER_GOAL } from "./targets.ts";

export interface Verdict {
  readonly issue: Issue;
  readonly model: string;
  readonly workload: string;
  readonly clients: number;
  readonly figure: string;
  readonly measured: number;
  readonly bound: Goal["bound"];
  readonly limit: number;
  /** What both numbers are multiples of, in words; a unit where they are none. */
  readonly of: string;
  /** Against llama-server: it has its place in the table. */
  readonly ratio: boolean;
  readonly reached: boolean;
}

/** One verdict for every goal of the issues whose two sides were measured. */
export function verdicts(rows: readonly SummaryRow[], issues: readonly Issue[]): Verdict[] {
  const single = GOALS.filter((goal) => issues.includes(goal.issue)).flatMap((goal) =>
    rows.filter((row) => isAbout(goal, row)).flatMap((row) => judge(goal, row, rows) ?? []),
  );
  return issues.includes(MEMORY_AFTER_GOAL.issue) ? [...single, ...memoryVerdicts(rows)] : single;
}

function isAbout(goal: Goal, row: SummaryRow): boolean {
  const { workload, figure, model = row.model, clients = row.clients } = goal;
  return row.workload === workload && row.figure === figure && row.model === model && row.clients === clients;
}

function judge(goal: Goal, row: SummaryRow, rows: readonly SummaryRow[]): Verdict | undefined {
  const ours = row.medians.ours;
  const base = baseOf(goal, row, rows);
  if (ours === undefined || base === undefined) return undefined;
  const { issue, bound, limit } = goal;
  const measured = ours / base.value;
  const reached = bound === "at least" ? measured >= limit : measured <= limit;
  const { model, workload, clients, figure } = row;
  const ratio = typeof goal.of === "object" && "contestant" in goal.of && goal.of.contestant === "reference";
  return { issue, model, workload, clients, figure, measured, bound, limit, of: base.words, ratio, reached };
}

function baseOf({ of }: Goal, row: SummaryRow, rows: readonly SummaryRow[]): { value: number; words: string } | undefined {
  if (of === "itself") return { value: 1, words: row.unit };
  const value =
    "contestant" in of
      ? row.medians[of.contestant]
      : rows.find((r) => r.workload === of.workload && r.model === row.model && r.clients === row.clients && r.figure === row.figure)
          ?.medians.ours;
  const words = "contestant" in of ? `× ${of.contestant}` : `× our ${of.workload}`;
  return value === undefined ? undefined : { value, words };
}

/** The largest that either server had after any case of a model. */
function memoryVerdicts(rows: readonly SummaryRow[]): Verdict[] {
  const after = rows.filter(
    (row) => row.figure === "memory after" && row.medians.ours !== undefined && row.medians.reference !== undefined,
  );
  return [...new Set(after.map((row) => row.model))].map((model) => {
    const own = after.filter((row) => row.model === model);
    const measured = Math.max(...own.map((row) => row.medians.ours!)) / Math.max(...own.map((row) => row.medians.reference!));
    const { issue, limit } = MEMORY_AFTER_GOAL;
    const about = { issue, model, workload: "all cases", clients: 0, figure: "largest memory after a case" };
    return { ...about, measured, bound: "at most", limit, of: "× reference", ratio: false, reached: measured <= limit };
  });
}

export function verdictLine({ issue, model, workload, clients, figure, measured, bound, limit, of, reached }: Verdict): string {
  const what = [model, workload, ...(clients > 0 ? [String(clients)] : [])].join(" ");
  return `${reached ? "reached" : "MISSED "}  #${issue} ${what}, ${figure}: ${precise(measured)} ${of} (${bound} ${limit})`.replace(
    "  (",
    " (",
  );
}
