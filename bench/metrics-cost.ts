/**
 * What counting and timing requests costs: `npm run bench:metrics`. One server in this process, asked by its fetch handler; counting goes
 * on and off between short slices in a changing order, so that nothing but counting differs: two processes of one build differ by some
 * percent, which hid what is looked for. Two of three slices are silent, and how these differ shows how much is chance. The model is the
 * smallest there is, and HTTP is left out: the share of the metrics is larger than anybody sees. Then the calls alone.
 *
 * Judged twice. By throughput, which other programs disturb. And by CPU time: what counting takes of it a token, over the time in which
 * a token is made. Were it all in the way of the engine, so much throughput would be lost; most of it is beside it. Of CPU the rounds in
 * the middle of a set count, for a whole collection of garbage takes as long as a slice; what counting leaves to collect is in the throughput.
 *
 * With --keep FILE the sets of earlier runs that are in it count too, and those of this one are added: for runs that must be short.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { StepMeter } from "../src/engine/step-meter.ts";
import { createShimmy, type Shimmy } from "../src/index.ts";
import { Metrics, type RequestRecord } from "../src/telemetry/metrics.ts";
import { clusterInterval, type Interval, mean, mulberry32 } from "./measure/bootstrap.ts";

/** Issue 7. */
const GOAL = 0.01;
/** With fewer an interval is chance: the bootstrap has nothing to draw from. */
const LEAST_SETS = 8;
const TINY = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    clients: { type: "string", default: "8" },
    tokens: { type: "string", default: "40" },
    model: { type: "string", default: TINY },
    keep: { type: "string" },
  },
});
const [seconds, clients, tokens] = [Number(values.seconds), Number(values.clients), Number(values.tokens)];

const VARIANTS = ["counting", "silent", "silent too"] as const;
type Variant = (typeof VARIANTS)[number];

interface Slice {
  readonly tokensPerSecond: number;
  /** Of this process, which is gateway and client, per token. */
  readonly cpuMicros: number;
}
type Round = Readonly<Record<Variant, Slice>>;

/** Rounds that follow each other have the state of the machine in common, so they are drawn together. */
const ROUNDS_OF_A_SET = 10;
const WARM_UP_ROUNDS = 10;

const SILENT: RequestRecord = { first: () => undefined, token: () => undefined, finished: () => undefined };
let counting = true;
const started = Metrics.prototype.requestStarted;
Metrics.prototype.requestStarted = function (route) {
  return counting ? started.call(this, route) : SILENT;
};

/** No settings of whoever runs this. */
const folder = mkdtempSync(join(tmpdir(), "shimmy-bench-"));
writeFileSync(join(folder, "none.yaml"), "");

const random = mulberry32(1);
const shimmy = await createShimmy({
  ...{ config: join(folder, "none.yaml"), modelPath: values.model, embeddedModel: false, logLevel: "error" },
  ...{ ctx: "1024", parallel: values.clients },
});
report(kept(await measure(shimmy)));
await shimmy.close();
rmSync(folder, { recursive: true });
callsAlone();

async function measure(server: Shimmy): Promise<Round[][]> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) await oneRound(server);
  const sets: Round[][] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const set: Round[] = [];
    for (let round = 0; round < ROUNDS_OF_A_SET; round++) set.push(await oneRound(server));
    sets.push(set);
  }
  return sets;
}

/** With those of earlier runs. */
function kept(sets: Round[][]): Round[][] {
  const { keep } = values;
  if (keep === undefined) return sets;
  const all = existsSync(keep) ? [...(JSON.parse(readFileSync(keep, "utf8")) as Round[][]), ...sets] : sets;
  writeFileSync(keep, JSON.stringify(all));
  return all;
}

/** The same requests for each variant: what is cached of the prompts is the same. */
async function oneRound(server: Shimmy): Promise<Round> {
  const slices: Partial<Record<Variant, Slice>> = {};
  for (const variant of shuffled(VARIANTS)) {
    counting = variant === "counting";
    slices[variant] = await slice(server);
  }
  return slices as Round;
}

async function slice(server: Shimmy): Promise<Slice> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const made = await Promise.all(Array.from({ length: clients }, (_, client) => stream(server, client)));
  const took = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const total = made.reduce((sum, count) => sum + count, 0);
  return { tokensPerSecond: total / took, cpuMicros: (user + system) / total };
}

/** @returns how many tokens its answer has. */
async function stream(server: Shimmy, client: number): Promise<number> {
  const messages = [{ role: "user", content: `Tell me a story about the number ${client}.` }];
  const body = JSON.stringify({ messages, max_tokens: tokens, seed: client, stream: true, stream_options: { include_usage: true } });
  const headers = { "content-type": "application/json" };
  const response = await server.fetch(new Request("http://localhost/v1/chat/completions", { method: "POST", headers, body }));
  const text = await response.text();
  const count = Number(/"completion_tokens":(\d+)/.exec(text)?.[1]);
  if (response.status !== 200 || !(count > 0)) throw new Error(`a request failed: ${text.slice(0, 300)}`);
  return count;
}

function shuffled<T>(all: readonly T[]): T[] {
  return all
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

function report(all: readonly Round[][]): void {
  say(`${all.length} × ${ROUNDS_OF_A_SET} rounds, ${clients} clients, ${tokens} tokens each`);
  for (const variant of VARIANTS) {
    const of = (key: keyof Slice) => mean(all.flat().map((round) => round[variant][key]));
    say(
      `${variant.padEnd(12)} ${of("tokensPerSecond").toFixed(0).padStart(6)} tok/s, gateway and client ${of("cpuMicros").toFixed(2)} µs of CPU a token`,
    );
  }
  const lostTo = (on: Slice, ...silent: Slice[]) => 1 - on.tokensPerSecond / mean(silent.map(({ tokensPerSecond }) => tokensPerSecond));
  const lost = share(
    "throughput lost",
    each(all, (round) => lostTo(round.counting, round.silent, round["silent too"])),
  );
  share(
    "control: one silent, the other",
    each(all, (round) => lostTo(round.silent, round["silent too"])),
  );
  const busy = share(
    "CPU, of the time of a token",
    middles(all, (round) => extraShare(round.counting, round.silent, round["silent too"])),
  );
  share(
    "control of that",
    middles(all, (round) => extraShare(round.silent, round["silent too"])),
  );
  say(`goal under ${100 * GOAL} %: by throughput ${verdict(lost, all.length)}, by CPU time ${verdict(busy, all.length)}`);
}

/** Only an interval that lies on one side of the goal decides. */
function verdict({ low, high }: Interval, sets: number): string {
  if (sets < LEAST_SETS) return `not judged: ${sets} sets, and ${LEAST_SETS} are needed (--seconds)`;
  return high < GOAL ? "reached" : low >= GOAL ? "NOT reached" : "not decided";
}

/** What it takes more of the CPU for a token than silent ones, as a share of the time in which they make one. */
function extraShare(on: Slice, ...silent: Slice[]): number {
  const extra = on.cpuMicros - mean(silent.map(({ cpuMicros }) => cpuMicros));
  return (extra * mean(silent.map(({ tokensPerSecond }) => tokensPerSecond))) / 1e6;
}

function each(all: readonly Round[][], of: (round: Round) => number): number[][] {
  return all.map((set) => set.map(of));
}

/** Of each set the mean of the two rounds in the middle. */
function middles(all: readonly Round[][], of: (round: Round) => number): number[][] {
  return each(all, of).map((set) => {
    const sorted = set.sort((a, b) => a - b);
    return [mean(sorted.slice(ROUNDS_OF_A_SET / 2 - 1, ROUNDS_OF_A_SET / 2 + 1))];
  });
}

function share(what: string, sets: readonly number[][]): Interval {
  const interval = clusterInterval(sets);
  const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
  say(`${what.padEnd(32)} ${percent(interval.mean)} (95 %: ${percent(interval.low)} to ${percent(interval.high)})`);
  return interval;
}

function callsAlone(): void {
  counting = true;
  const metrics = new Metrics({ version: "0", models: () => [] });
  void metrics.text().then(() => {
    const record = metrics.requestStarted("/v1/chat/completions");
    const meter = new StepMeter();
    const outcome = { status: 200, model: "m", operation: "chat", promptTokens: 9, completionTokens: 9, queueMs: 1, promptMs: 9 };
    say(`a token         ${nanoseconds(1e6, () => record.token("m"))} ns`);
    say(`a step          ${nanoseconds(1e6, () => meter.observe(1.5, 8, 8))} ns`);
    say(`a request       ${nanoseconds(1e5, () => metrics.requestStarted("/v1/chat/completions").finished(outcome))} ns`);
  });
}

function nanoseconds(times: number, work: () => void): string {
  const before = performance.now();
  for (let i = 0; i < times; i++) work();
  return (((performance.now() - before) * 1e6) / times).toFixed(0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
