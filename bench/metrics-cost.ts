/**
 * What counting and timing requests costs: `npm run build && npm run bench:metrics`. In each set three new servers, two of them with
 * `--no-metrics`, are asked in turn with the same streams, in short slices in a changing order, so that what else the machine does falls on
 * all of them, and many sets, since two processes of one build differ. The two that are equal show how much of a difference is chance.
 * The model is the smallest there is: its steps are the shortest, so the share of the metrics is the largest that anybody sees. `--keep FILE`
 * adds to the sets of earlier runs. At the end the calls alone, in this process.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { StepMeter } from "../src/engine/step-meter.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { oursCommand } from "./contestants/commands.ts";
import { ServerProcess } from "./contestants/process.ts";
import { clusterInterval, type Interval, mean, mulberry32 } from "./measure/bootstrap.ts";
import { streamChat } from "./measure/client.ts";
import { concurrently } from "./workloads/workload.ts";

/** Issue 7. */
const GOAL = 0.01;
const TINY = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

const { values } = parseArgs({
  options: {
    sets: { type: "string", default: "12" },
    rounds: { type: "string", default: "6" },
    clients: { type: "string", default: "8" },
    tokens: { type: "string", default: "100" },
    model: { type: "string", default: TINY },
    keep: { type: "string" },
  },
});
const [sets, rounds, clients, tokens] = [Number(values.sets), Number(values.rounds), Number(values.clients), Number(values.tokens)];

const VARIANTS = ["counting", "silent", "silent too"] as const;
type Variant = (typeof VARIANTS)[number];

interface Slice {
  readonly tokensPerSecond: number;
  /** Of the gateway, per token. */
  readonly cpuMicros: number;
}
type Round = Readonly<Record<Variant, Slice>>;

const random = mulberry32(Date.now());
const measured: Round[][] = values.keep !== undefined && existsSync(values.keep) ? JSON.parse(readFileSync(values.keep, "utf8")) : [];
for (let set = 0; set < sets; set++) {
  measured.push(await oneSet(measured.length));
  if (values.keep !== undefined) writeFileSync(values.keep, JSON.stringify(measured));
}
report(measured);
callsAlone();

async function oneSet(set: number): Promise<Round[]> {
  const servers = new Map<Variant, ServerProcess>();
  try {
    for (const variant of shuffled(VARIANTS)) servers.set(variant, await start(variant));
    const ask = async (round: number) => {
      const slices: Partial<Record<Variant, Slice>> = {};
      for (const variant of shuffled(VARIANTS)) slices[variant] = await slice(servers.get(variant)!, set * 1000 + round);
      return slices as Round;
    };
    for (let round = 0; round < 2; round++) await ask(900 + round); // warms up
    const result: Round[] = [];
    for (let round = 0; round < rounds; round++) result.push(await ask(round));
    return result;
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  }
}

function start(variant: Variant): Promise<ServerProcess> {
  const flags = variant === "counting" ? [] : ["--no-metrics"];
  return ServerProcess.start(oursCommand("ours", { model: values.model, slots: clients, context: 1024, flags, preload: true }));
}

function shuffled<T>(all: readonly T[]): T[] {
  return all
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

function report(all: readonly Round[][]): void {
  say(`${all.length} sets of ${all[0]!.length} rounds, ${clients} clients, ${tokens} tokens each`);
  for (const variant of VARIANTS) {
    const of = (key: keyof Slice) => mean(all.flat().map((round) => round[variant][key]));
    say(`${variant.padEnd(12)} ${of("tokensPerSecond").toFixed(0).padStart(6)} tok/s, gateway ${of("cpuMicros").toFixed(2)} µs a token`);
  }
  const cost = share(
    "throughput lost",
    all,
    ({ counting, ...silent }) => 1 - counting.tokensPerSecond / between(silent, "tokensPerSecond"),
  );
  share("control: one silent, the other", all, (round) => 1 - round.silent.tokensPerSecond / round["silent too"].tokensPerSecond);
  share("CPU of the gateway more", all, ({ counting, ...silent }) => counting.cpuMicros / between(silent, "cpuMicros") - 1);
  const verdict = cost.high < GOAL ? "reached" : cost.low >= GOAL ? "NOT reached" : "not decided: more sets are needed (--keep)";
  say(`goal under ${100 * GOAL} %: ${verdict}`);
}

/** Geometric, as ratios ask for. */
function between(silent: Omit<Round, "counting">, key: keyof Slice): number {
  return Math.sqrt(silent.silent[key] * silent["silent too"][key]);
}

function share(what: string, all: readonly Round[][], of: (round: Round) => number): Interval {
  const interval = clusterInterval(all.map((set) => set.map(of)));
  const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
  say(`${what.padEnd(32)} ${percent(interval.mean)} (95 %: ${percent(interval.low)} to ${percent(interval.high)})`);
  return interval;
}

async function slice(server: ServerProcess, round: number): Promise<Slice> {
  const target = { url: server.url, modelId: "default" };
  const cpuBefore = cpuNanoseconds(server.pid);
  const startedAt = performance.now();
  const records = await concurrently(clients, async (client) => {
    const messages = [{ role: "user" as const, content: `Tell me a story about the number ${round * 100 + client}.` }];
    return [await streamChat(target, { messages, tokens, client, signal: AbortSignal.timeout(60_000) })];
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const failed = records.find(({ error }) => error !== undefined);
  if (failed) throw new Error(`a request failed: ${failed.error}`);
  const made = records.reduce((sum, { usage }) => sum + (usage?.completionTokens ?? 0), 0);
  return { tokensPerSecond: made / seconds, cpuMicros: (cpuNanoseconds(server.pid) - cpuBefore) / 1000 / made };
}

/** Of all threads of a process: the first number of /proc/PID/task/TID/schedstat, which is finer than the hundredths of stat. */
function cpuNanoseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]), 0);
}

function callsAlone(): void {
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
