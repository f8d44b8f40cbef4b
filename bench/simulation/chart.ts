/** Lines over two axes as inline SVG, in the style of page/style.ts. */
import { escapeHtml } from "../../src/bench/page/html.ts";
import { axisTicks } from "../../src/bench/page/plot.ts";

export interface Series {
  readonly name: string;
  /** A class of the style sheet that sets its colour. */
  readonly colour: "ours" | "reference" | "ours-nospec" | "ours-spec";
  readonly points: ReadonlyArray<readonly [x: number, y: number]>;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
}

const WIDTH = 460;
const HEIGHT = 230;
const BOX = { left: 52, right: 448, top: 10, bottom: 190 };

export function chartFigure({ title, x, y, series }: Chart): string {
  const points = series.flatMap((each) => each.points);
  const across = axisTicks(Math.max(0, ...points.map(([at]) => at)));
  const up = axisTicks(Math.max(0, ...points.map(([, value]) => value)));
  const px = (value: number) => (BOX.left + (value / across.at(-1)!) * (BOX.right - BOX.left)).toFixed(1);
  const py = (value: number) => (BOX.bottom - (value / up.at(-1)!) * (BOX.bottom - BOX.top)).toFixed(1);
  const grid = [
    ...up.map((tick) => `<line class="grid" x1="${BOX.left}" x2="${BOX.right}" y1="${py(tick)}" y2="${py(tick)}"/>`),
    ...up.map((tick) => `<text class="value" x="${BOX.left - 7}" y="${Number(py(tick)) + 4}">${tick}</text>`),
    ...across.map((tick) => `<text class="tick" x="${px(tick)}" y="${BOX.bottom + 16}">${tick}</text>`),
    `<text class="tick" x="${(BOX.left + BOX.right) / 2}" y="${BOX.bottom + 34}">${escapeHtml(x)}</text>`,
  ];
  const lines = series.map(
    (each) =>
      `<g class="strip c-${each.colour}"><polyline class="line" points="${each.points.map(([at, value]) => `${px(at)},${py(value)}`).join(" ")}"><title>${escapeHtml(each.name)}</title></polyline></g>`,
  );
  const names = series.map((each) => `<span class="strip c-${each.colour}"><i></i>${escapeHtml(each.name)}</span>`).join(" ");
  return (
    `<figure><figcaption><h4>${escapeHtml(title)}</h4><span class="hint">${escapeHtml(y)}</span></figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${[...grid, ...lines].join("")}</svg>` +
    `<p class="hint key">${names}</p></figure>`
  );
}
