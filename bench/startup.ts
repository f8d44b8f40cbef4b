/**
 * Start-up and idle memory, contestants alternately: the constitution's two numbers and the time to a loaded model. Called by run.ts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { streamChat } from "../src/bench/measure/client.ts";
import { describeQuiet, waitForQuiet } from "../src/bench/measure/machine.ts";
import { type TreeMemory, treeMemory } from "../src/bench/measure/process-tree.ts";
import { bareHttpCommand, oursCommand, oursIdleCommand, referenceCommand } from "./contestants/commands.ts";
import { type Command, ServerProcess } from "./contestants/process.ts";
import { type BenchModel, NO_END } from "./models.ts";
import type { BenchOptions } from "./options.ts";
import { servedModel } from "./session.ts";

export const STARTERS = ["bare-http", "ours-idle", "ours-loaded", "reference"] as const;
export type Starter = (typeof STARTERS)[number];

export interface StartupRecord {
  readonly round: number;
  readonly starter: Starter;
  /** spawn → first 200 of /health. */
  readonly healthyMs: number;
  /** spawn → first text of a first answer, asked for as soon as it was healthy: nobody can call himself ready too early. */
  readonly firstTokenMs?: number;
  /** A moment after it was healthy, before any other request. */
  readonly memory: TreeMemory;
  /** What spoils the figures, if anything does. */
  readonly problem?: string;
}

/** Node's start-up garbage is collected by then, or never. */
const SETTLE_MS = 700;

export async function measureStartup(model: BenchModel, options: BenchOptions, onRound: (round: number) => void): Promise<StartupRecord[]> {
  const records: StartupRecord[] = [];
  const wanted = STARTERS.filter((s) => s === "bare-http" || options.servers.includes(s === "reference" ? "reference" : "ours"));
  for (let round = 0; round < options.startupRounds; round++) {
    for (const starter of round % 2 === 0 ? wanted : [...wanted].reverse()) records.push(await startOnce(starter, round, model, options));
    onRound(round + 1);
  }
  return records;
}

async function startOnce(starter: Starter, round: number, model: BenchModel, options: BenchOptions): Promise<StartupRecord> {
  const quiet = await waitForQuiet(5_000);
  const server = await ServerProcess.start(await commandOf(starter, model, options));
  try {
    const answers = starter === "ours-loaded" || starter === "reference";
    const firstTokenMs = answers ? await firstToken(server, options) : undefined;
    await sleep(SETTLE_MS);
    return {
      round,
      starter,
      healthyMs: server.healthyMs,
      memory: treeMemory(server.pid),
      ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
      ...(quiet.quiet ? {} : { problem: `the machine was not quiet: ${describeQuiet(quiet)}` }),
    };
  } finally {
    await server.stop();
  }
}

async function commandOf(starter: Starter, model: BenchModel, options: BenchOptions): Promise<Command> {
  const serve = { model: model.path, context: options.context };
  switch (starter) {
    case "bare-http":
      return bareHttpCommand();
    case "ours-idle":
      return oursIdleCommand();
    case "ours-loaded":
      return oursCommand("ours", { ...serve, slots: options.slots, flags: options.oursFlags, preload: true });
    case "reference":
      return referenceCommand({ ...serve, slots: options.referenceSlots, flags: options.referenceFlags, preload: true });
  }
}

async function firstToken(server: ServerProcess, options: BenchOptions): Promise<number> {
  const target = { url: server.url, modelId: await servedModel(server.url), noEnd: NO_END };
  const signal = AbortSignal.timeout(options.maxSeconds * 1000);
  const record = await streamChat(target, { messages: [{ role: "user", content: "Hello." }], tokens: 4, client: 0, signal });
  const first = record.chunkMs[0];
  if (first === undefined) throw new Error(`the first answer failed: ${record.error ?? "no text"}`);
  return first - server.spawnedAt;
}
