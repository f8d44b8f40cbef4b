/**
 * Holds `shimmy plan` against the truth: a model is measured by the command, then a server with the planned slots gets Poisson traffic of the
 * stated shape, and the 95th percentile of what its users wait is set beside the planned one. After a build, on a quiet machine:
 * `npm run bench:plan -- [--models tiny,smollm2] [--shapes 200:32,64:96] [--loads 0.3,0.5,0.7] [--seconds 60] [--rounds 1]`. A load is the
 * share of what the plan says an instance answers at most.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { number, precise, table } from "../src/bench/format.ts";
import { median, percentile } from "../src/bench/measure/figures.ts";
import { random } from "../src/bench/workloads/words.ts";
import { latency95, serviceRate } from "../src/deploy/plan/capacity.ts";
import { type Answered, askStreamed } from "../src/deploy/plan/client.ts";
import { UTILISATION_LIMIT } from "../src/deploy/plan/planner.ts";
import type { PlanReport } from "../src/deploy/plan/report.ts";
import { processTree, residentBytes } from "../src/deploy/processes.ts";
import { CLI, SMOLLM2, startServer, TINY } from "../test/support/server.ts";

const FILES: Readonly<Record<string, string>> = { tiny: TINY, smollm2: SMOLLM2 };
/** Requests that come while the queue is still filling are not counted. */
const WARM_UP = 0.1;

const text = (value: string) => ({ type: "string", default: value }) as const;
const { values } = parseArgs({
  options: {
    ...{ models: text("tiny,smollm2"), shapes: text("200:32,64:96"), loads: text("0.3,0.5,0.7") },
    ...{ seconds: text("60"), rounds: text("1"), seed: text("1"), json: { type: "boolean" } },
  },
});

interface Shape {
  readonly promptTokens: number;
  readonly answerTokens: number;
}

interface Run extends Shape {
  readonly model: string;
  readonly load: number;
  readonly requests: number;
  readonly slots: number;
  /** Seconds: as `plan` computes it for the stated traffic, and for the requests that chance really sent. */
  readonly plannedSeconds: number;
  readonly expectedSeconds: number;
  readonly measuredSeconds: number;
  readonly planBytes: number;
  readonly residentBytes: number;
}

function planned(file: string, { promptTokens, answerTokens }: Shape): PlanReport {
  const flags = ["--model-path", file, "--prompt-tokens", String(promptTokens), "--answer-tokens", String(answerTokens)];
  return JSON.parse(
    execFileSync(process.execPath, [CLI, "plan", "--json", ...flags], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
}

async function run(model: string, report: PlanReport, load: number, seed: number): Promise<Run> {
  const { promptTokens, answerTokens } = report.traffic;
  const { slots, capacityPerSecond, memory } = report.plan;
  const arrivals = (load * capacityPerSecond) / UTILISATION_LIMIT;
  const server = await startServer({ args: ["--model-path", FILES[model]!, "--parallel", String(slots), "--no-files"] });
  try {
    const asked = { url: server.url, model: report.model.id };
    const wordsATake = await wordsFor(asked, promptTokens);
    const sent = await poisson(asked, { words: wordsATake, answerTokens, arrivals, seed });
    const counted = sent.slice(Math.floor(WARM_UP * sent.length));
    const seconds = counted.map(({ endMs }) => endMs / 1000);
    const rate = serviceRate(report.measured.waves, { promptTokens: median(counted.map((answer) => answer.promptTokens)), answerTokens });
    return {
      ...{ model, load, promptTokens, answerTokens, slots, requests: counted.length },
      plannedSeconds: latency95(serviceRate(report.measured.waves, { promptTokens, answerTokens }), slots, arrivals),
      expectedSeconds: latency95(rate, slots, sent.length / Number(values.seconds)),
      measuredSeconds: percentile(seconds, 0.95),
      planBytes: memory?.bytes ?? Number.NaN,
      residentBytes: (processTree(server.pid) ?? []).reduce((sum, pid) => sum + (residentBytes(pid) ?? 0), 0),
    };
  } finally {
    await server.stop();
  }
}

type Server = Parameters<typeof askStreamed>[0];
const forever = new AbortController().signal;

/** How many words make a prompt of so many tokens, chat template included; the model is loaded by then. */
async function wordsFor(server: Server, promptTokens: number): Promise<number> {
  const ask = async (words: number) => (await askStreamed(server, { words, maxTokens: 1, counts: false, signal: forever })).promptTokens;
  const [few, many] = [await ask(10), await ask(110)];
  return Math.max(1, Math.round(10 + ((promptTokens - few) * 100) / (many - few)));
}

interface Stream {
  readonly words: number;
  readonly answerTokens: number;
  readonly arrivals: number;
  readonly seed: number;
}

/** Open: nobody waits for another's answer. */
async function poisson(server: Server, { words, answerTokens, arrivals, seed }: Stream): Promise<Array<Answered & { endMs: number }>> {
  const next = random(seed);
  const began = performance.now();
  const answers: Array<Promise<Answered & { endMs: number }>> = [];
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - next()) / arrivals) * 1000;
    if (atMs > Number(values.seconds) * 1000) break;
    await sleep(Math.max(0, began + atMs - performance.now()));
    const due = began + atMs;
    const asked = askStreamed(server, { words, maxTokens: answerTokens, counts: false, signal: forever });
    answers.push(asked.then((answer) => ({ ...answer, endMs: performance.now() - due })));
  }
  const all = await Promise.all(answers);
  const short = all.find(({ completionTokens }) => completionTokens !== answerTokens);
  if (short) throw new Error(`an answer has ${short.completionTokens} tokens where ${answerTokens} were asked for`);
  return all;
}

async function main(): Promise<void> {
  const runs: Run[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const model of values.models.split(",")) {
      for (const shape of values.shapes.split(",")) {
        const [promptTokens, answerTokens] = shape.split(":").map(Number) as [number, number];
        for (const load of values.loads.split(",").map(Number)) {
          // Anew for each: a shared machine may be another one in a minute.
          const report = planned(FILES[model]!, { promptTokens, answerTokens });
          runs.push(await run(model, report, load, Number(values.seed) + runs.length));
          console.error(
            `${runs.length}: ${model} ${shape} ${load}: ${precise(runs.at(-1)!.measuredSeconds / runs.at(-1)!.plannedSeconds)}`,
          );
        }
      }
    }
  }
  if (values.json) return console.log(JSON.stringify(runs, undefined, 2));
  console.log(`${cpus()[0]?.model} × ${cpus().length}, Node ${process.version}; ${values.seconds} s of Poisson traffic a run`);
  console.log(table([HEAD, ...runs.map(row)]));
  const ratios = runs.map((one) => one.measuredSeconds / one.plannedSeconds);
  const spread = `${precise(Math.min(...ratios))}–${precise(Math.max(...ratios))}`;
  console.log(`measured / planned p95: median ${precise(median(ratios))} (${spread}) of ${ratios.length} runs`);
}

const HEAD = [
  "model",
  "prompt",
  "answer",
  "load",
  "requests",
  "slots",
  "p95 planned s",
  "for what came",
  "measured",
  "ratio",
  "planned MB",
  "resident",
];

function row(one: Run): string[] {
  const [plannedP95, expected, measured] = [one.plannedSeconds, one.expectedSeconds, one.measuredSeconds].map(precise) as [
    string,
    string,
    string,
  ];
  return [
    ...[one.model, String(one.promptTokens), String(one.answerTokens), String(one.load), String(one.requests), String(one.slots)],
    ...[plannedP95, expected, measured, precise(one.measuredSeconds / one.plannedSeconds)],
    ...[number(one.planBytes / 2 ** 20), number(one.residentBytes / 2 ** 20)],
  ];
}

await main();
