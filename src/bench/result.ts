/**
 * What a run found, as `--json` prints it and text and page are made of; and its summary, medians over the rounds. Pure. It holds no
 * key, prompt or answer.
 */
import type { Outcome } from "./case.ts";
import type { Figure } from "./measure/figures.ts";
import { median } from "./measure/figures.ts";
import type { Machine } from "./measure/machine.ts";
import type { BenchServer } from "./server.ts";

/** Raised when a field changes its meaning or goes. */
export const FORMAT = 1;

export interface ServerReport {
  readonly name: BenchServer["name"];
  readonly url: string;
  /** Started for this run, with the user's settings. */
  readonly started: boolean;
  /** "shimmy 0.1.0"; null: it does not tell. */
  readonly version: string | null;
  readonly model: string;
  /** As the server itself says. */
  readonly answered: readonly string[];
  /** What throughput counts. */
  readonly counted: "tokens" | "pieces of text";
  /** It takes a request not to end an answer early; else lengths are the model's. */
  readonly keeps_length: boolean;
  readonly this_machine: boolean;
}

export interface BenchResult {
  readonly format: typeof FORMAT;
  readonly measured: string;
  readonly took_seconds: number;
  /** By Ctrl-C: what is missing was not measured. */
  readonly interrupted: boolean;
  readonly shimmy: string;
  readonly node: string;
  readonly machine: Machine;
  readonly settings: {
    readonly workloads: readonly string[];
    readonly rounds: number;
    readonly seed: number;
    /** Of the workloads' own lengths and counts. */
    readonly share: number;
    /** Length of the answers; null: each workload's own × share. */
    readonly tokens: number | null;
    /** What a round asks of one server, in all. */
    readonly round_tokens: number;
    readonly round_prompt_words: number;
  };
  readonly servers: readonly ServerReport[];
  /** What other programs used while it was measured; null: it was not watched, and why. */
  readonly others: { readonly cores: number; readonly quiet: boolean } | null;
  readonly not_watched: string | null;
  readonly summary: readonly SummaryCase[];
  readonly runs: readonly Outcome[];
  /** What went wrong; with any of them the exit code is 1. */
  readonly failures: readonly string[];
  /** What to bear in mind when reading. */
  readonly notes: readonly string[];
}

export interface SummaryCase {
  readonly workload: string;
  readonly clients: number;
  readonly servers: ReadonlyArray<{
    readonly server: BenchServer["name"];
    readonly requests: number;
    readonly failed: number;
    readonly not_served: string | null;
  }>;
  readonly figures: readonly SummaryFigure[];
}

export interface SummaryFigure extends Pick<Figure, "name" | "unit" | "better"> {
  readonly values: ReadonlyArray<{ readonly server: BenchServer["name"]; readonly median: number; readonly rounds: readonly number[] }>;
  /** this / against: of the medians, and the smallest and largest of the rounds. */
  readonly ratio: { readonly median: number; readonly low: number; readonly high: number } | null;
}

export function summarise(runs: readonly Outcome[]): SummaryCase[] {
  const cases = new Map<string, Outcome[]>();
  for (const run of runs) {
    const key = `${run.workload} ${run.clients}`;
    cases.set(key, [...(cases.get(key) ?? []), run]);
  }
  return [...cases.values()].map(summaryCase);
}

function summaryCase(runs: readonly Outcome[]): SummaryCase {
  const { workload, clients } = runs[0]!;
  const names = serversOf(runs);
  const figures = new Map(runs.flatMap((run) => run.figures.map((figure) => [figure.name, figure] as const)));
  return {
    workload,
    clients,
    servers: names.map((server) => {
      const own = runs.filter((run) => run.server === server);
      return {
        server,
        requests: own.reduce((sum, { requests }) => sum + requests, 0),
        failed: own.reduce((sum, { failed }) => sum + failed, 0),
        not_served: own.find(({ notServed }) => notServed !== undefined)?.notServed ?? null,
      };
    }),
    figures: [...figures.values()].map((figure) => summaryFigure(figure, runs, names)),
  };
}

/** Ours first, whatever was measured first. */
function serversOf(runs: readonly Outcome[]): BenchServer["name"][] {
  return (["this", "against"] as const).filter((name) => runs.some(({ server }) => server === name));
}

function summaryFigure({ name, unit, better }: Figure, runs: readonly Outcome[], names: readonly BenchServer["name"][]): SummaryFigure {
  const values = names.flatMap((server) => {
    const rounds = runs.filter((run) => run.server === server).flatMap((run) => figureValue(run, name) ?? []);
    return rounds.length > 0 ? [{ server, median: median(rounds), rounds }] : [];
  });
  return { name, unit, better, values, ratio: ratioOf(name, runs, values) };
}

function figureValue(run: Outcome, figure: string): number | undefined {
  return run.figures.find(({ name }) => name === figure)?.value;
}

function ratioOf(name: string, runs: readonly Outcome[], values: SummaryFigure["values"]): SummaryFigure["ratio"] {
  const [ours, other] = [values.find(({ server }) => server === "this"), values.find(({ server }) => server === "against")];
  if (!ours || !other) return null;
  const rounds = [...new Set(runs.map(({ round }) => round))].flatMap((round) => {
    const of = (server: string) => runs.find((run) => run.round === round && run.server === server);
    const [a, b] = [of("this"), of("against")].map((run) => run && figureValue(run, name));
    return a === undefined || !b ? [] : [a / b];
  });
  if (other.median === 0 || rounds.length === 0) return null;
  return { median: ours.median / other.median, low: Math.min(...rounds), high: Math.max(...rounds) };
}
