/** One figure of one case as a small strip of dots, a row for each contestant, a dot for each round. Inline SVG, coloured by the page's style. */
import { number, precise } from "../format.ts";
import { escapeHtml } from "./html.ts";

export interface PlotRow {
  readonly name: string;
  /** One a round, in their order; none: there is a `note` instead. */
  readonly values: readonly number[];
  readonly median: number;
  readonly note?: string;
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  /** What the reader should hope for, in a word or two. */
  readonly hint: string;
  readonly rows: readonly PlotRow[];
  /** Where a goal lies on the axis, and whether it is reached. */
  readonly goals: ReadonlyArray<{ readonly at: number; readonly label: string; readonly reached: boolean }>;
}

const WIDTH = 380;
const LEFT = 104;
const RIGHT = 56;
const TOP = 8;
const ROW = 26;
const AXIS = 24;

export function plotSvg({ title, unit, rows, goals }: Plot): string {
  const bottom = TOP + rows.length * ROW;
  const ticks = axisTicks(Math.max(...rows.flatMap((row) => row.values), ...goals.map((goal) => goal.at)));
  const x = (value: number) => place(LEFT + (value / (ticks.at(-1)! || 1)) * (WIDTH - LEFT - RIGHT));
  const grid = ticks.map(
    (tick) =>
      `<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="${TOP}" y2="${bottom}"/>` +
      `<text class="tick" x="${x(tick)}" y="${bottom + 15}">${tickLabel(tick)}</text>`,
  );
  const marks = goals.map(
    ({ at, label, reached }) =>
      `<line class="goal ${reached ? "good" : "bad"}" x1="${x(at)}" x2="${x(at)}" y1="${TOP - 4}" y2="${bottom}"><title>${escapeHtml(label)}</title></line>`,
  );
  const strips = rows.map((row, i) => strip(row, TOP + i * ROW + ROW / 2, x, unit));
  const axis = `<text class="unit" x="${WIDTH - 2}" y="${bottom + 15}">${escapeHtml(unit)}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + AXIS}" role="img" aria-label="${escapeHtml(`${title}, ${unit}`)}">${[...grid, axis, ...marks, ...strips].join("")}</svg>`;
}

function strip({ name, values, median, note }: PlotRow, y: number, x: (value: number) => number, unit: string): string {
  const label = `<text class="name" x="${LEFT - 12}" y="${y + 4}">${escapeHtml(name)}</text>`;
  if (note !== undefined) return `${label}<text x="${LEFT + 6}" y="${y + 4}">${escapeHtml(note)}</text>`;
  const dots = values.map(
    (value, round) =>
      `<circle cx="${x(value)}" cy="${y}" r="4"><title>${escapeHtml(`${name}, round ${round + 1}: ${precise(value)} ${unit}`)}</title></circle>`,
  );
  return (
    `<g class="strip c-${escapeHtml(name)}">${label}` +
    `<line class="base" x1="${LEFT}" x2="${x(median)}" y1="${y}" y2="${y}"/>${dots.join("")}` +
    `<line class="median" x1="${x(median)}" x2="${x(median)}" y1="${y - 8}" y2="${y + 8}"/>` +
    `<text class="value" x="${WIDTH - 2}" y="${y + 4}">${number(median)}</text></g>`
  );
}

/** From 0 to at least `largest` in three to five round steps. */
export function axisTicks(largest: number): number[] {
  if (!(largest > 0)) return [0, 1];
  const rough = largest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  return Array.from({ length: Math.ceil(largest / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

function tickLabel(value: number): string {
  return value >= 10_000 ? `${Number((value / 1000).toPrecision(3))}k` : String(value);
}

function place(value: number): number {
  return Math.round(value * 10) / 10;
}
