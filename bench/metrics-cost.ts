/**
 * What counting and timing requests costs: `npm run build && npm run bench:metrics`. Three servers, two of them with `--no-metrics`, are
 * asked in turn with the same streams, many short ones, so that what else the machine does falls on all of them; then the same with three
 * new ones. The two that are equal show how much of a difference is chance. The model is the smallest there is: its steps are the
 * shortest, so the share of the metrics is the largest that anybody sees. At the end the calls alone, in this process.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { streamChat } from "../src/bench/measure/client.ts";
import { median } from "../src/bench/measure/figures.ts";
import { concurrently } from "../src/bench/workloads/workload.ts";
import { StepMeter } from "../src/engine/step-meter.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { oursCommand } from "./contestants/commands.ts";
import { ServerProcess } from "./contestants/process.ts";
import { NO_END } from "./models.ts";

/** Issue 7. */
const GOAL = 0.01;
const TINY = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

const { values } = parseArgs({
  options: {
    sets: { type: "string", default: "3" },
    rounds: { type: "string", default: "15" },
    clients: { type: "string", default: "8" },
    tokens: { type: "string", default: "200" },
    model: { type: "string", default: TINY },
  },
});
const [sets, rounds, clients, tokens] = [Number(values.sets), Number(values.rounds), Number(values.clients), Number(values.tokens)];

const VARIANTS = ["counting", "silent", "silent too"] as const;
type Variant = (typeof VARIANTS)[number];

interface Burst {
  readonly tokensPerSecond: number;
  /** Of the gateway, per token. */
  readonly cpuMicros: number;
}
type Round = Readonly<Record<Variant, Burst>>;

const measured: Round[] = [];
for (let set = 0; set < sets; set++) measured.push(...(await oneSet(set)));
report(measured);
callsAlone();

async function oneSet(set: number): Promise<Round[]> {
  const servers = new Map<Variant, ServerProcess>();
  try {
    // Who starts first and who is asked first changes, so that neither favours anybody.
    for (const variant of rotated(VARIANTS, set)) servers.set(variant, await start(variant));
    const ask = async (round: number) => {
      const bursts: Partial<Record<Variant, Burst>> = {};
      for (const variant of rotated(VARIANTS, set + round)) bursts[variant] = await burst(servers.get(variant)!, set * 1000 + round);
      return bursts as Round;
    };
    for (let round = 0; round < 2; round++) await ask(900 + round);
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

function rotated<T>(all: readonly T[], by: number): T[] {
  const first = by % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

function report(all: readonly Round[]): void {
  say(`${sets} × ${rounds} rounds, ${clients} clients, ${tokens} tokens each`);
  for (const variant of VARIANTS) {
    const speed = median(all.map((round) => round[variant].tokensPerSecond));
    const cpu = median(all.map((round) => round[variant].cpuMicros));
    say(`${variant.padEnd(12)} ${speed.toFixed(0).padStart(6)} tok/s, gateway ${cpu.toFixed(1)} µs of CPU a token`);
  }
  const cost = ratio("counting / silent", (round) => round.counting.tokensPerSecond / round.silent.tokensPerSecond, all);
  const costToo = ratio("counting / silent too", (round) => round.counting.tokensPerSecond / round["silent too"].tokensPerSecond, all);
  ratio("silent / silent too", (round) => round.silent.tokensPerSecond / round["silent too"].tokensPerSecond, all);
  const mean = 1 - (cost + costToo) / 2;
  say(`cost ${(100 * mean).toFixed(2)} %, goal under ${100 * GOAL} %: ${mean < GOAL ? "reached" : "NOT reached"}`);
}

/** @returns the median. */
function ratio(what: string, of: (round: Round) => number, all: readonly Round[]): number {
  const ratios = all.map(of).sort((a, b) => a - b);
  const quarter = (share: number) => ratios[Math.floor((ratios.length - 1) * share)]!.toFixed(3);
  say(`${what.padEnd(22)} ${median(ratios).toFixed(4)} (quarters ${quarter(0.25)} to ${quarter(0.75)})`);
  return median(ratios);
}

async function burst(server: ServerProcess, round: number): Promise<Burst> {
  const target = { url: server.url, modelId: "default", noEnd: NO_END };
  const cpuBefore = cpuSeconds(server.pid);
  const startedAt = performance.now();
  const records = await concurrently(clients, async (client) => {
    const messages = [{ role: "user" as const, content: `Tell me a story about the number ${round * 100 + client}.` }];
    return [await streamChat(target, { messages, tokens, client, signal: AbortSignal.timeout(60_000) })];
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const failed = records.find(({ error }) => error !== undefined);
  if (failed) throw new Error(`a request failed: ${failed.error}`);
  const made = records.reduce((sum, { usage }) => sum + (usage?.completionTokens ?? 0), 0);
  return { tokensPerSecond: made / seconds, cpuMicros: ((cpuSeconds(server.pid) - cpuBefore) * 1e6) / made };
}

/** Of one process, in hundredths: proc_pid_stat(5). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
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
