/**
 * The scaling patterns, each really run: three instances, what stands before them, conversations, and instances that are killed, drained and
 * restarted. Run after a build: `npm run bench:scaling -- --help`. Exit code 1: a request was lost, truncated or wrongly retried.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { number, precise, table } from "../../src/bench/format.ts";
import { SMOLLM2 } from "../../test/support/server.ts";
import { figuresOf, type ScalingFigures } from "./figures.ts";
import { PATTERNS, type Pattern } from "./patterns.ts";
import { faults, type Scene, type SceneOptions, scene, steady } from "./scene.ts";

const HELP = `npm run bench:scaling -- [options]
  --patterns LIST   ${PATTERNS.join(", ")}; default single,direct,nginx,haproxy,gateway
  --seconds N       of steady load for the figures of each pattern; 0: none; default 5
  --faults N        runs with a kill, an engine killed, a drain and a rolling restart for each balanced pattern; default 1
  --clients N       conversations at once; default 9
  --tokens N        of each answer at most; default 24
  --model FILE      a GGUF file, or "smollm2" for the shared one; default: Shimmy Tiny
  --json            figures as JSON`;

const text = (value: string) => ({ type: "string", default: value }) as const;
const { values } = parseArgs({
  options: {
    ...{ patterns: text("single,direct,nginx,haproxy,gateway"), seconds: text("5"), faults: text("1") },
    ...{ clients: text("9"), tokens: text("24"), model: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean" } },
  },
});

interface Row {
  readonly pattern: Pattern;
  readonly steady?: ScalingFigures;
  readonly faults?: ScalingFigures;
}

async function measured(pattern: Pattern): Promise<Row> {
  const file = values.model === "smollm2" ? SMOLLM2 : values.model;
  const args = ["--threads", "1", ...(file === undefined ? [] : ["--model-path", resolve(file), "--no-embedded-model"])];
  const run = (play: SceneOptions["play"]) => scene({ pattern, clients: whole("clients"), tokens: whole("tokens"), args, play });
  const quiet = whole("seconds") > 0 ? figuresOf([await run(steady(whole("seconds")))]) : undefined;
  const scenes: Scene[] = [];
  const alone = pattern === "single" || pattern === "direct";
  for (let round = 0; round < whole("faults") && !alone; round++) scenes.push(await run(faults));
  return { pattern, ...(quiet && { steady: quiet }), ...(scenes.length > 0 && { faults: figuresOf(scenes) }) };
}

function whole(name: "seconds" | "faults" | "clients" | "tokens"): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name}: ${values[name]} is not a whole number`);
  return value;
}

function report(rows: readonly Row[]): string {
  const direct = rows.find(({ pattern }) => pattern === "direct")?.steady?.tokensPerSecond;
  const single = rows.find(({ pattern }) => pattern === "single")?.steady?.tokensPerSecond;
  const part = (value: number, of: number | undefined) => (of === undefined ? "-" : precise(value / of));
  const quiet = rows.flatMap(({ pattern, steady: figures }) =>
    figures === undefined
      ? []
      : [
          [
            ...[pattern, number(figures.tokensPerSecond), part(figures.tokensPerSecond, single), part(figures.tokensPerSecond, direct)],
            ...[number(figures.ttftP50), number(figures.ttftP95), precise(figures.affinity), precise(figures.cachedShare)],
          ],
        ],
  );
  const hard = rows.flatMap(({ pattern, faults: figures }) =>
    figures === undefined
      ? []
      : [
          [
            ...[pattern, figures.sent, figures.finished, figures.lost, figures.cut, figures.truncated].map(String),
            ...[figures.generatedTwice, figures.wronglyRetried].map(String),
            ...[number(figures.ttftP50), number(figures.ttftP95), precise(figures.affinity)],
          ],
        ],
  );
  const quietHead = ["steady", "tok/s", "of single", "of direct", "TTFT p50 ms", "p95", "affinity", "cached share"];
  const hardHead = [
    "with faults",
    "sent",
    "finished",
    "lost",
    "cut",
    "truncated",
    "computed twice",
    "wrong retry",
    "TTFT p50 ms",
    "p95",
    "affinity",
  ];
  const reasons = rows.flatMap(({ pattern, faults: figures }) =>
    [...(figures?.reasons ?? [])].map(([why, times]) => `${pattern}: ${times} × ${why}`),
  );
  const tables = [
    [quietHead, ...quiet],
    [hardHead, ...hard],
  ]
    .filter(({ length }) => length > 1)
    .map((each) => table(each));
  return [...tables, ...reasons].join("\n\n");
}

if (values.help) process.stdout.write(`${HELP}\n`);
else {
  const rows: Row[] = [];
  for (const name of values.patterns.split(",")) {
    const pattern = PATTERNS.find((known) => known === name);
    if (!pattern) throw new Error(`unknown pattern ${name}: ${PATTERNS.join(", ")}`);
    rows.push(await measured(pattern));
  }
  process.stdout.write(
    `${values.json ? JSON.stringify(rows, (_, value) => (value instanceof Map ? Object.fromEntries(value) : value)) : report(rows)}\n`,
  );
  const broken = rows
    .flatMap((row) => [row.steady, row.faults])
    .some((each) => each && each.lost + each.truncated + each.wronglyRetried > 0);
  process.exitCode = broken ? 1 : 0;
}
