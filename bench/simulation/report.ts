/** What a simulation gives: its figures, as lines of text and as a page. Pure; called by ../simulation.ts. */
import { number, precise, table } from "../../src/bench/format.ts";
import { percentile } from "../../src/bench/measure/figures.ts";
import { escapeHtml, htmlTable } from "../../src/bench/page/html.ts";
import { STYLE } from "../../src/bench/page/style.ts";
import { chartFigure, type Series } from "./chart.ts";
import type { Life, Outcome, Sample } from "./run.ts";

export interface Run {
  /** Arrivals a second. */
  readonly rate: number;
  readonly outcome: Outcome;
}

const TIMES: ReadonlyArray<readonly [name: string, of: (life: Life) => number]> = [
  ["queue", (life) => life.firstStepMs - life.atMs],
  ["TTFT", (life) => life.firstTokenMs - life.atMs],
  ["a token, mean", (life) => (life.endMs - life.firstTokenMs) / Math.max(1, life.tokens.length - 1)],
  ["longest gap", (life) => life.longestGapMs],
];
const PERCENTILES = [0.5, 0.95, 0.99, 1] as const;

type Rows = Array<[name: string, value: string]>;

/** Name and value, in the order they are told. */
export function figures({ rate, outcome }: Run): Rows {
  const { lives, samples, wallMs, promptTokensComputed, schedulerMs } = outcome;
  const sum = (of: (life: Life) => number) => lives.reduce((total, life) => total + of(life), 0);
  const prompts = sum((life) => life.promptTokens);
  const mean = (of: (sample: Sample) => number) => samples.reduce((total, sample) => total + of(sample), 0) / samples.length;
  const times = TIMES.map(([name, of]): [string, string] => {
    const values = lives.map(of);
    return [`${name}, p50 / 95 / 99 / max`, `${PERCENTILES.map((p) => number(percentile(values, p))).join(" / ")} ms`];
  });
  return [
    ["arrivals", `${rate} a second`],
    ["finished", `${lives.filter((life) => life.endMs >= 0).length} of ${lives.length}, all with the right text`],
    ["throughput", `${number(sum((life) => life.tokens.length) / (wallMs / 1000))} tok/s`],
    ["prompt tokens from the cache", `${number((100 * (prompts - promptTokensComputed)) / prompts)}% of ${prompts}`],
    ...times,
    ["steps", `${samples.length}, mean ${precise(mean((s) => s.stepMs))} ms, ${number(mean((s) => s.tokens))} tokens`],
    ["running / waiting, mean", `${number(mean((s) => s.running))} / ${number(mean((s) => s.waiting))}`],
    [
      "scheduler's own time a step, p50 / 99 / max",
      `${[0.5, 0.99, 1].map((p) => precise(percentile(schedulerMs, p))).join(" / ")} ms (real)`,
    ],
  ];
}

export function figuresTable(runs: readonly Run[]): string {
  return table(rowsOf(runs));
}

function rowsOf(runs: readonly Run[]): string[][] {
  const all = runs.map(figures);
  return all[0]!.map(([name], i) => [name, ...all.map((each) => each[i]![1])]);
}

export function simulationPage(runs: readonly Run[], facts: Readonly<Record<string, string>>): string {
  const list = Object.entries(facts).map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  const [head = [], ...rows] = rowsOf(runs).map((row) => row.map(escapeHtml));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shimmy's scheduler on a modelled GPU</title><style>${STYLE}</style></head>
<body>
<h1>Shimmy's scheduler on a modelled GPU</h1>
<p class="soft">The real scheduler, simulated time. Every cell is checked, and every answer is compared with the one the request gets alone.</p>
<dl>${list.join("")}</dl>
<h2>Figures</h2>
<div class="card">${htmlTable(head, rows, 1)}</div>
${runs.map(runCard).join("\n")}
</body></html>
`;
}

function runCard({ rate, outcome: { lives, samples, schedulerMs } }: Run): string {
  const byArrival = (of: (life: Life) => number, p: number) =>
    bins(
      lives.map((life): [number, number] => [life.atMs / 1000, of(life)]),
      p,
    );
  const overTime = (of: (sample: Sample, i: number) => number, p: number) =>
    bins(
      samples.map((sample, i): [number, number] => [sample.ms / 1000, of(sample, i)]),
      p,
    );
  const line = (name: string, colour: Series["colour"], points: Series["points"]): Series => ({ name, colour, points });
  const [queue, ttft, token, gap] = TIMES.map(([, of]) => of) as [Of, Of, Of, Of];
  const seconds = "seconds of simulated time";
  const charts = [
    {
      ...{ title: "Sequences", x: seconds, y: "medians" },
      series: [
        line(
          "running",
          "ours",
          overTime((s) => s.running, 0.5),
        ),
        line(
          "waiting",
          "reference",
          overTime((s) => s.waiting, 0.5),
        ),
      ],
    },
    {
      ...{ title: "Time to first token", x: `${seconds}, by arrival`, y: "ms" },
      series: [line("p50", "ours", byArrival(ttft, 0.5)), line("p95", "reference", byArrival(ttft, 0.95))],
    },
    {
      ...{ title: "Who waits how long", x: "ms", y: "% of the requests" },
      series: [
        line("queue", "reference", distribution(lives.map(queue))),
        line("TTFT", "ours", distribution(lives.map(ttft))),
        line("longest gap", "ours-spec", distribution(lives.map(gap))),
      ],
    },
    {
      ...{ title: "A token while reading", x: "ms, mean of a request", y: "% of the requests" },
      series: [line("mean time a token", "ours", distribution(lives.map(token)))],
    },
    {
      ...{ title: "Tokens a step", x: seconds, y: "tokens" },
      series: [
        line(
          "p50",
          "ours",
          overTime((s) => s.tokens, 0.5),
        ),
        line(
          "p95",
          "reference",
          overTime((s) => s.tokens, 0.95),
        ),
      ],
    },
    {
      ...{ title: "Step, and what the scheduler needs for it", x: seconds, y: "ms, medians" },
      series: [
        line(
          "step (simulated)",
          "ours",
          overTime((s) => s.stepMs, 0.5),
        ),
        line(
          "scheduler (real)",
          "reference",
          overTime((_, i) => schedulerMs[i]!, 0.5),
        ),
      ],
    },
  ];
  return `<section class="card"><h3>${rate} requests a second</h3><div class="plots">${charts.map(chartFigure).join("\n")}</div></section>`;
}

type Of = (life: Life) => number;

const BINS = 80;

/** A percentile of `y` in each of equal parts of `x`. */
function bins(points: ReadonlyArray<readonly [x: number, y: number]>, p: number): Array<[number, number]> {
  const last = points.reduce((most, [x]) => Math.max(most, x), 0);
  const groups = Array.from({ length: BINS }, (): number[] => []);
  for (const [x, y] of points) groups[Math.min(BINS - 1, Math.floor((x / last) * BINS))]!.push(y);
  return groups.flatMap(
    (values, i): Array<[number, number]> => (values.length > 0 ? [[((i + 0.5) / BINS) * last, percentile(values, p)]] : []),
  );
}

/** Up to the 99th percentile: the axis would otherwise belong to the last one. */
function distribution(values: readonly number[]): Array<[number, number]> {
  const sorted = values.toSorted((a, b) => a - b);
  return Array.from({ length: 100 }, (_, percent): [number, number] => [percentile(sorted, percent / 100), percent]);
}
