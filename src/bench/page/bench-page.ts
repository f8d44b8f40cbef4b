/** What `shimmy bench` found as one page of HTML that needs nothing else: conditions, every round of every figure, tables. Pure. */
import { number, precise } from "../format.ts";
import type { BenchResult, SummaryCase, SummaryFigure } from "../result.ts";
import { serverWords, shareWords } from "../text.ts";
import { escapeHtml, htmlTable } from "./html.ts";
import { type Plot, plotSvg } from "./plot.ts";
import { STYLE } from "./style.ts";

export function benchPage(result: BenchResult): string {
  const title = `${result.servers[0]?.model ?? "a model"}, measured by shimmy bench`;
  const cards = result.summary.map((each) => caseCard(each, result.servers.length > 1));
  const body = [header(result, title), doubts(result), "<h2>Workloads</h2>", legend(result), ...cards];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
${body.filter((part) => part !== "").join("\n")}
</body></html>
`;
}

function header(result: BenchResult, title: string): string {
  const { measured, machine, settings, servers, others, not_watched, shimmy, node } = result;
  const facts: Array<readonly [string, string]> = [
    ...servers.map((server) => [server.name, serverWords(server)] as const),
    ["measured", `${measured.slice(0, 16).replace("T", " ")} UTC, in ${Math.round(result.took_seconds)} s`],
    ["processor", `${machine.cpu}, ${machine.cores} cores`],
    ["memory", `${machine.memoryGB} GB`],
    ["kernel", machine.kernel],
    ["by", `shimmy ${shimmy}, node ${node}`],
    ["rounds", String(settings.rounds)],
    ["size of the workloads", settings.share === 1 ? "full" : shareWords(settings.share, settings.tokens ?? undefined)],
    ["a round", `${settings.round_tokens} tokens of answers after ${settings.round_prompt_words} words of prompts`],
    ["seed", String(settings.seed)],
    ["other programs", others ? `${others.cores.toFixed(2)} cores` : `not watched: ${not_watched}`],
  ];
  const list = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join("");
  return `<h1>${escapeHtml(title)}</h1>\n<dl>${list}</dl>`;
}

function doubts({ notes, failures, interrupted }: BenchResult): string {
  const ended = interrupted ? ["It was ended before its end: what is missing was not measured."] : [];
  const lines = [...ended, ...failures, ...notes].map((line) => `<li>${escapeHtml(line)}</li>`);
  return lines.length === 0 ? "" : `<h2>To bear in mind</h2>\n<ul class="problems">${lines.join("\n")}</ul>`;
}

function legend({ servers }: BenchResult): string {
  const ratio = servers.length > 1 ? " Both servers got the same requests, in turn." : "";
  return `<p class="soft">A dot is one round, the bar their median, which the number at the right names.${ratio}</p>`;
}

function caseCard({ workload, clients, servers, figures }: SummaryCase, two: boolean): string {
  const refused = servers.filter(({ not_served }) => not_served !== null);
  const plots = figures
    .map((figure) =>
      plotFigure(
        plotOf(
          figure,
          refused.map(({ server }) => server),
        ),
      ),
    )
    .join("\n");
  const reasons = refused.map(({ server, not_served }) => `<li>not served by ${server}: ${escapeHtml(not_served!)}</li>`).join("");
  const failed = servers.filter((server) => server.failed > 0);
  const failures = failed.map((each) => `<li class="bad">${each.server}: ${each.failed} of ${each.requests} requests failed</li>`).join("");
  const problems = reasons + failures === "" ? "" : `<ul class="problems">${reasons}${failures}</ul>`;
  const details = figures.length === 0 ? "" : `<details><summary>Table</summary>${caseTable(figures, two)}</details>`;
  return `<section class="card"><h3>${escapeHtml(workload)} · ${clients} ${clients === 1 ? "client" : "clients"}</h3>${problems}
<div class="plots">${plots}</div>${details}</section>`;
}

function plotOf({ name, unit, better, values }: SummaryFigure, refused: readonly string[]): Plot {
  return {
    title: name,
    unit,
    hint: `${unit}${unit === "" ? "" : ", "}${better} is better`,
    rows: [
      ...values.map(({ server, median, rounds }) => ({ name: server, values: rounds, median })),
      ...refused.map((server) => ({ name: server, values: [], median: 0, note: "not served" })),
    ],
    goals: [],
  };
}

function plotFigure(plot: Plot): string {
  return `<figure><figcaption><h4>${escapeHtml(plot.title)}</h4><span class="hint">${escapeHtml(plot.hint)}</span></figcaption>${plotSvg(plot)}</figure>`;
}

function caseTable(figures: readonly SummaryFigure[], two: boolean): string {
  const names = two ? ["this", "against"] : ["this"];
  const head = ["figure", ...names.flatMap((name) => [name, "rounds"]), ...(two ? ["this / against", "rounds"] : [])];
  const rows = figures.map(({ name, unit, values, ratio }) => [
    escapeHtml(unit === "" ? name : `${name}, ${unit}`),
    ...names.flatMap((server) => {
      const own = values.find((value) => value.server === server);
      return own ? [number(own.median), `${number(Math.min(...own.rounds))} – ${number(Math.max(...own.rounds))}`] : ["-", ""];
    }),
    ...(two ? (ratio ? [precise(ratio.median), `${ratio.low.toFixed(2)} – ${ratio.high.toFixed(2)}`] : ["", ""]) : []),
  ]);
  return htmlTable(head, rows, 1);
}
