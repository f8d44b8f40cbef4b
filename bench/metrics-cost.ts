/**
 * What counting and timing requests costs: `npm run build && npm run bench:metrics`. Two servers, one with `--no-metrics`, are asked
 * alternately with the same streams, many short pairs, so that what else the machine does falls on both. The model is the smallest there
 * is: its steps are the shortest, so the share of the metrics is the largest that anybody sees. Then the calls alone, in this process.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { StepMeter } from "../src/engine/step-meter.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { oursCommand } from "./contestants/commands.ts";
import { ServerProcess } from "./contestants/process.ts";
import { streamChat } from "./measure/client.ts";
import { median } from "./measure/figures.ts";
import { concurrently } from "./workloads/workload.ts";

/** Issue 7. */
const GOAL = 0.01;
const TINY = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "20" },
    clients: { type: "string", default: "8" },
    tokens: { type: "string", default: "200" },
    model: { type: "string", default: TINY },
  },
});
const [pairs, clients, tokens] = [Number(values.pairs), Number(values.clients), Number(values.tokens)];

interface Burst {
  readonly tokensPerSecond: number;
  /** Of the gateway, per token. */
  readonly cpuMicros: number;
}

const start = (flags: readonly string[]) =>
  ServerProcess.start(oursCommand("ours", { model: values.model, slots: clients, context: 1024, flags, preload: true }));
const [counting, silent] = await Promise.all([start([]), start(["--no-metrics"])]);
try {
  await measure();
} finally {
  await Promise.all([counting.stop(), silent.stop()]);
}
callsAlone();

async function measure(): Promise<void> {
  for (const server of [counting, silent]) for (let i = 0; i < 3; i++) await burst(server, -1 - i);
  const bursts: Array<{ readonly on: Burst; readonly off: Burst }> = [];
  for (let pair = 0; pair < pairs; pair++) {
    // First the one, then the other, every other time: whoever comes second finds the machine warmer.
    const first = await burst(pair % 2 === 0 ? counting : silent, pair);
    const second = await burst(pair % 2 === 0 ? silent : counting, pair);
    bursts.push(pair % 2 === 0 ? { on: first, off: second } : { on: second, off: first });
  }
  const { on, off } = { on: bursts.map((pair) => pair.on), off: bursts.map((pair) => pair.off) };
  const speed = (all: readonly Burst[]) => median(all.map(({ tokensPerSecond }) => tokensPerSecond));
  const cpu = (all: readonly Burst[]) => median(all.map(({ cpuMicros }) => cpuMicros));
  const ratios = bursts.map((pair) => pair.on.tokensPerSecond / pair.off.tokensPerSecond).sort((a, b) => a - b);
  const quarter = (share: number) => ratios[Math.floor((ratios.length - 1) * share)]!;
  const cost = 1 - median(ratios);
  say(`${pairs} pairs, ${clients} clients, ${tokens} tokens each`);
  say(`throughput      with ${speed(on).toFixed(0)} tok/s, without ${speed(off).toFixed(0)} tok/s`);
  say(`ratio of a pair ${median(ratios).toFixed(4)} (quarters ${quarter(0.25).toFixed(4)} to ${quarter(0.75).toFixed(4)})`);
  say(`gateway's CPU   with ${cpu(on).toFixed(1)} µs/token, without ${cpu(off).toFixed(1)} µs/token`);
  say(`cost ${(100 * cost).toFixed(2)} %, goal under ${100 * GOAL} %: ${cost < GOAL ? "reached" : "NOT reached"}`);
}

async function burst(server: ServerProcess, round: number): Promise<Burst> {
  const target = { url: server.url, modelId: "default" };
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
