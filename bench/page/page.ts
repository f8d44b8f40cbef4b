/** The raw JSON of a run as one page of HTML that needs nothing else: goals, every round of every figure, tables, machine. Pure; called by run.ts. */

import { precise } from "../../src/bench/format.ts";
import { median } from "../../src/bench/measure/figures.ts";
import { escapeHtml, htmlTable } from "../../src/bench/page/html.ts";
import { type Plot, plotSvg } from "../../src/bench/page/plot.ts";
import { STYLE } from "../../src/bench/page/style.ts";
import type { Contestant } from "../contestants/commands.ts";
import { cellOf, contestantsOf, figureOf, groupBy, isOf, problemLines, type SummaryRow, summarise } from "../report.ts";
import type { Results } from "../results.ts";
import type { RunRecord } from "../session.ts";
import { STARTERS, type StartupRecord } from "../startup.ts";
import { startupVerdicts, summariseStartup } from "../startup-report.ts";
import type { Issue } from "../targets.ts";
import { type Verdict, verdicts } from "../verdicts.ts";

export function page(results: Results, issues: readonly Issue[]): string {
  const rows = summarise(results.runs);
  const judged = verdicts(rows, issues);
  const cases = [...groupBy(rows, (row) => `${row.model}|${row.workload}|${row.clients}`).values()];
  const body = [
    header(results),
    goalsSection(judged, issues),
    startupSection(results.startup),
    ...(cases.length > 0 ? ["<h2>Workloads</h2>", legend(issues)] : []),
    ...cases.map((each) => caseCard(each, results, judged)),
    problemsSection(results),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shimmy beside llama-server</title><style>${STYLE}</style></head>
<body>
${body.filter((part) => part !== "").join("\n")}
</body></html>
`;
}

function header({ started, machine, versions, options }: Results): string {
  const facts: Array<[string, string]> = [
    ["measured", `${started.slice(0, 16).replace("T", " ")} UTC`],
    ["processor", `${machine.cpu}, ${machine.cores} cores`],
    ["memory", `${machine.memoryGB} GB`],
    ["kernel", machine.kernel],
    ...Object.entries(versions),
    ["rounds", String(options.rounds)],
    ["slots", `${options.slots}, llama-server ${options.referenceSlots}, of ${options.context} tokens`],
    ["a new server", options.fresh === "model" ? "for each model" : "for each case"],
    ...flagFacts("our flags", options.oursFlags),
    ...flagFacts("llama-server's flags", options.referenceFlags),
  ];
  const list = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join("");
  const noisy = options.noisy
    ? '<p class="warn">Measured with <code>--noisy</code>: other programs may have been at work. Do not quote these figures.</p>'
    : "";
  return `<h1>Shimmy beside llama-server</h1>\n<p class="soft">The same requests to both, alternately, on the same machine.</p>\n<dl>${list}</dl>${noisy}`;
}

function flagFacts(name: string, flags: readonly string[]): Array<[string, string]> {
  return flags.length > 0 ? [[name, flags.join(" ")]] : [];
}

function goalsSection(judged: readonly Verdict[], issues: readonly Issue[]): string {
  if (judged.length === 0) return "";
  const reached = judged.filter((verdict) => verdict.reached).length;
  const rows = judged.map((v) => [
    verdictMark(v.reached),
    escapeHtml(v.model),
    escapeHtml(v.workload),
    v.clients > 0 ? String(v.clients) : "",
    escapeHtml(v.figure),
    `${precise(v.measured)} ${escapeHtml(v.of)}`,
    `${v.bound} ${v.limit}`,
    ...(issues.length > 1 ? [`#${v.issue}`] : []),
  ]);
  const head = ["", "model", "workload", "clients", "figure", "measured", "goal", ...(issues.length > 1 ? ["issue"] : [])];
  return `<h2>${reached} of ${judged.length} goals reached</h2>\n<div class="card">${htmlTable(head, rows, head.length)}</div>`;
}

function verdictMark(reached: boolean): string {
  return reached ? '<span class="good">✓ reached</span>' : '<span class="bad">✗ missed</span>';
}

function legend(issues: readonly Issue[]): string {
  const goals = issues.map((issue) => `#${issue}`).join(" and ");
  return `<p class="soft">A dot is one round, the bar their median, which the number at the right names. A dashed line is where a goal of issue ${goals} lies for us, given what llama-server did: green when reached.</p>`;
}

function caseCard(rows: readonly SummaryRow[], { runs, options }: Results, judged: readonly Verdict[]): string {
  const { model, workload, clients } = rows[0]!;
  const own = runs.filter((run) => run.model === model && run.workload === workload && run.clients === clients);
  const contestants = contestantsOf(own, options.servers);
  const plots = rows
    .map((row) => casePlot(row, own, contestants, judged))
    .filter((plot) => plot.rows.some((each) => each.values.length > 0));
  return `<section class="card"><h3>${escapeHtml(workload)} · ${clients} ${clients === 1 ? "client" : "clients"} · ${escapeHtml(model)}</h3>
<div class="plots">${plots.map(plotFigure).join("\n")}</div>
<details><summary>Table</summary>${caseTable(rows, contestants)}</details></section>`;
}

function casePlot(row: SummaryRow, runs: readonly RunRecord[], contestants: readonly Contestant[], judged: readonly Verdict[]): Plot {
  const better = runs.flatMap((run) => run.figures).find((figure) => figure.name === row.figure)?.better ?? "lower";
  return {
    title: row.figure,
    unit: row.unit,
    hint: `${row.unit}${row.unit === "" ? "" : ", "}${better} is better`,
    rows: contestants.flatMap((name) => {
      const values = runs.filter((run) => run.contestant === name).flatMap((run) => figureOf(run, row.figure) ?? []);
      if (values.length > 0) return [{ name, values, median: median(values) }];
      return row.notServed.includes(name) ? [{ name, values, median: 0, note: "not served" }] : [];
    }),
    goals: judged
      .filter((verdict) => verdict.ratio && isOf(verdict, row))
      .map(({ bound, limit, reached, of }) => ({ at: limit * row.medians.reference!, label: `goal: ${bound} ${limit} ${of}`, reached })),
  };
}

function plotFigure(plot: Plot): string {
  return `<figure><figcaption><h4>${escapeHtml(plot.title)}</h4><span class="hint">${escapeHtml(plot.hint)}</span></figcaption>${plotSvg(plot)}</figure>`;
}

function caseTable(rows: readonly SummaryRow[], contestants: readonly Contestant[]): string {
  const head = ["figure", ...contestants, "ours / reference", "in the rounds"];
  const body = rows.map((row) => [
    escapeHtml(row.unit === "" ? row.figure : `${row.figure}, ${row.unit}`),
    ...contestants.map((name) => cellOf(row, name)),
    row.ratio ? row.ratio.median.toFixed(2) : "",
    row.ratio ? `${row.ratio.low.toFixed(2)} – ${row.ratio.high.toFixed(2)}` : "",
  ]);
  return htmlTable(head.map(escapeHtml), body, 1);
}

const STARTUP_FIGURES: ReadonlyArray<readonly [title: string, unit: string, of: (record: StartupRecord) => number | undefined]> = [
  ["healthy", "ms", (record) => record.healthyMs],
  ["first token", "ms", (record) => record.firstTokenMs],
  ["RSS", "MB", (record) => record.memory.rss],
  ["private dirty memory", "MB", (record) => record.memory.privateDirty],
];

function startupSection(records: readonly StartupRecord[]): string {
  if (records.length === 0) return "";
  const plots = STARTUP_FIGURES.map(([title, unit, of]): Plot => {
    const rows = STARTERS.flatMap((name) => {
      const values = records.filter((record) => record.starter === name).flatMap((record) => of(record) ?? []);
      return values.length > 0 ? [{ name, values, median: median(values) }] : [];
    });
    return { title, unit, hint: `${unit}, lower is better`, rows, goals: [] };
  }).filter((plot) => plot.rows.length > 0);
  const limits = startupVerdicts(summariseStartup(records)).map((line) => `<li>${escapeHtml(line)}</li>`);
  return `<h2>Start-up</h2>\n<section class="card"><div class="plots">${plots.map(plotFigure).join("\n")}</div><ul class="problems">${limits.join("")}</ul></section>`;
}

function problemsSection({ runs, discarded }: Results): string {
  const lines = problemLines(runs).map((line) => `<li>${escapeHtml(line.replace(/^! /, ""))}</li>`);
  const again = `${discarded.length} ${discarded.length === 1 ? "run was" : "runs were"} disturbed by other programs and measured again; they are in no figure.`;
  const list = lines.length > 0 ? `<ul class="problems">${lines.join("\n")}</ul>` : '<p class="soft">None.</p>';
  return `<h2>What makes figures doubtful</h2>${list}${discarded.length > 0 ? `<p class="soft">${again}</p>` : ""}`;
}
