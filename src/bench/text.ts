/** What a run found, as lines for a terminal. Pure; the caller makes words of strangers printable. */
import { number, table } from "./format.ts";
import type { BenchResult, ServerReport, SummaryCase, SummaryFigure } from "./result.ts";

/** Figures that have a column; all others stand in lines below the table. */
const COLUMNS: ReadonlyArray<readonly [figure: string, head: string]> = [
  ["throughput", "tok/s"],
  ["TTFT p50", "TTFT p50"],
  ["TTFT p95", "p95 ms"],
  ["gap p50", "gap p50"],
  ["gap p95", "p95"],
  ["gap max", "max ms"],
  ["prompt tokens cached", "cached %"],
];
const IN_TABLE = new Set([...COLUMNS.map(([figure]) => figure), "gap p99"]);

export function textOf(result: BenchResult): string[] {
  return [
    ...conditions(result),
    "",
    ...(result.summary.length > 0 ? table(tableRows(result)).split("\n") : ["Nothing was measured to its end."]),
    ...result.summary.flatMap(moreFigures),
    ...result.summary.flatMap(unserved),
    ...(result.servers.length > 1
      ? ["", "ratio: this / against, of the medians. Above 1 is better for tok/s and cached, below 1 for times."]
      : []),
    ...result.notes.map((note) => `! ${note}`),
    ...result.failures.map((failure) => `FAILED ${failure}`),
    ...(result.interrupted ? ["It was ended before its end: what is missing was not measured."] : []),
  ];
}

function conditions({ servers, machine, settings, took_seconds, others, not_watched, shimmy, node }: BenchResult): string[] {
  const size = settings.share === 1 ? "" : `, ${shareWords(settings.share, settings.tokens ?? undefined)}`;
  const quiet = others ? `other programs used ${others.cores.toFixed(2)} cores` : `other programs were not watched: ${not_watched}`;
  return [
    ...servers.map((server) => `${server.name}: ${serverWords(server)}`),
    `machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB; measured by shimmy ${shimmy} (node ${node})`,
    `${settings.rounds} ${settings.rounds === 1 ? "round" : "rounds"} in ${Math.round(took_seconds)} s, seed ${settings.seed}, ${settings.round_tokens} tokens a round${size}; ${quiet}`,
  ];
}

/** What was made smaller. Lengths that somebody named are not. */
export function shareWords(share: number, tokens: number | undefined): string {
  const percent = `${Math.round(100 * share)}% of the full`;
  return tokens === undefined ? `${percent} lengths and counts, answers never below 8 tokens` : `${percent} counts and prompts`;
}

export function serverWords({ url, version, model, answered, started, keeps_length }: ServerReport): string {
  const other = answered.filter((id) => id !== model);
  const told = other.length > 0 ? ` (it says that ${other.join(", ")} answered)` : "";
  const lengths = keeps_length ? "" : "; it cannot be told not to end answers early";
  return `${version ?? "a server of unknown version"} at ${url}${started ? ", started for this" : ""}, model ${model}${told}${lengths}`;
}

function tableRows({ summary, servers }: BenchResult): string[][] {
  const two = servers.length > 1;
  const head = [
    "workload",
    "clients",
    ...(two ? ["server"] : []),
    COLUMNS[0]![1],
    "rounds",
    ...COLUMNS.slice(1).map(([, name]) => name),
    "failed",
  ];
  return [head, ...summary.flatMap((each) => caseRows(each, two))];
}

function caseRows({ workload, clients, servers, figures }: SummaryCase, two: boolean): string[][] {
  const of = (name: string) => figures.find((figure) => figure.name === name);
  const rows = servers.map(({ server, requests, failed, not_served }, index) => {
    const ownOf = (name: string) => of(name)?.values.find((value) => value.server === server);
    const throughput = ownOf("throughput");
    const cells =
      not_served === null ? COLUMNS.map(([name]) => number(ownOf(name)?.median)) : ["not served", ...COLUMNS.slice(1).map(() => "-")];
    const spread = throughput ? `${number(Math.min(...throughput.rounds))}–${number(Math.max(...throughput.rounds))}` : "-";
    const name = index === 0 ? [workload, String(clients)] : ["", ""];
    return [...name, ...(two ? [server] : []), cells[0]!, spread, ...cells.slice(1), failed === 0 ? "0" : `${failed} of ${requests}`];
  });
  const ratio = of("throughput")?.ratio;
  if (!two || !figures.some((figure) => figure.ratio)) return rows;
  const ratios = COLUMNS.slice(1).map(([name]) => of(name)?.ratio?.median.toFixed(2) ?? "");
  return [
    ...rows,
    ["", "", "ratio", ratio?.median.toFixed(2) ?? "", ratio ? `${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}` : "", ...ratios, ""],
  ];
}

function moreFigures({ workload, clients, figures }: SummaryCase): string[] {
  const more = figures.filter(({ name, values }) => !IN_TABLE.has(name) && values.length > 0);
  return more.map((figure) => `${workload} ${clients}: ${figure.name} ${valuesOf(figure)}`);
}

function valuesOf({ values, unit, ratio }: SummaryFigure): string {
  const told = values.map(({ server, median }) => `${values.length > 1 ? `${server} ` : ""}${number(median)} ${unit}`.trimEnd());
  return `${told.join(", ")}${ratio ? `, ratio ${ratio.median.toFixed(2)}` : ""}`;
}

function unserved({ workload, clients, servers }: SummaryCase): string[] {
  return servers.flatMap(({ server, not_served }) =>
    not_served === null ? [] : [`${workload} ${clients}: not served by ${server}: ${not_served}`],
  );
}
