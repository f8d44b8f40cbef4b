/**
 * One session: start one contestant, run its cases, measure around each, stop it. Called by run.ts, one session at a time,
 * so that nothing but the contestant and the clients is at work.
 */
import { setMaxListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RequestRecord, streamChat, type Target } from "../src/bench/measure/client.ts";
import { CpuMeter, type CpuUse, noiseOf } from "../src/bench/measure/cpu-meter.ts";
import { commonFigures, type Figure, problemsOf, wallMs } from "../src/bench/measure/figures.ts";
import { QUIET_PATIENCE_MS, type Quietness, waitForQuiet } from "../src/bench/measure/machine.ts";
import { type TreeMemory, treeMemory } from "../src/bench/measure/process-tree.ts";
import type { Workload } from "../src/bench/workloads/workload.ts";
import { bareSession } from "./bare-session.ts";
import { type Contestant, oursCommand, referenceCommand } from "./contestants/commands.ts";
import { fetchText, ServerProcess } from "./contestants/process.ts";
import { type BenchModel, NO_END } from "./models.ts";
import type { BenchOptions } from "./options.ts";

export interface Case {
  readonly workload: Workload;
  readonly clients: number;
}

/** One case on one contestant in one round, with everything that was seen. */
export interface RunRecord {
  readonly round: number;
  readonly model: string;
  readonly contestant: Contestant;
  readonly workload: string;
  readonly clients: number;
  readonly before: Quietness;
  readonly cpu: CpuUse;
  /** After start (ours: no model yet), after the first answer, after the run. */
  readonly memory: { readonly idle: TreeMemory; readonly loaded: TreeMemory; readonly after: TreeMemory } | undefined;
  readonly figures: readonly Figure[];
  /** Why it has no figures: the contestant cannot do this (a flag or a request that it refuses). */
  readonly notServed?: string;
  /** Other programs were at work, before or meanwhile: the figures say nothing about the contestant. */
  readonly disturbed: boolean;
  readonly problems: readonly string[];
  readonly requests: readonly RequestRecord[];
}

export interface SessionPlan {
  readonly round: number;
  readonly model: BenchModel;
  readonly contestant: Contestant;
  readonly cases: readonly Case[];
}

const WARM_UP_TOKENS = 8;

export async function runSession(plan: SessionPlan, options: BenchOptions, scripts: string): Promise<RunRecord[]> {
  if (plan.contestant === "bare" || plan.contestant === "bare-unified") return bareSession(plan, options, scripts);
  const folder = plan.cases.some(({ workload }) => workload.needs === "restart")
    ? mkdtempSync(join(tmpdir(), "shimmy-bench-cache-"))
    : undefined;
  const running = new Running(plan, options, folder);
  try {
    await running.start();
    const records: RunRecord[] = [];
    for (const each of plan.cases) records.push(await runCase(plan, each, running, options));
    return records;
  } catch (error) {
    const refused = unknownFlag(error);
    if (refused === undefined || plan.cases.every(({ workload }) => workload.needs === undefined)) throw error;
    return plan.cases.map((each) => unserved(plan, each, refused));
  } finally {
    await running.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** The line of a start that failed over a flag that this build does not know. */
function unknownFlag(error: unknown): string | undefined {
  return error instanceof Error ? /^error: (?:unknown option|invalid argument).*$/m.exec(error.message)?.[0] : undefined;
}

function unserved({ round, model, contestant }: SessionPlan, { workload, clients }: Case, notServed: string): RunRecord {
  const before = { loadavg: [], busy: 0, stolen: 0, quiet: true };
  const cpu = { contestant: 0, bench: 0, others: 0, stolen: 0 };
  const empty = { figures: [], problems: [], requests: [], memory: undefined, disturbed: false };
  return { round, model: model.name, contestant, workload: workload.name, clients, before, cpu, notServed, ...empty };
}

function startServer({ contestant, model }: SessionPlan, options: BenchOptions, folder: string | undefined): Promise<ServerProcess> {
  const common = { model: model.path, context: options.context, preload: false };
  if (contestant === "reference" || contestant === "reference-spec") {
    const flags = { slots: options.referenceSlots, flags: options.referenceFlags };
    return referenceCommand({ ...common, ...flags }, contestant).then(ServerProcess.start);
  }
  const { slots, oursFlags: flags, flagNames } = options;
  const cache = folder === undefined ? {} : { cacheDir: folder };
  return ServerProcess.start(oursCommand(contestant, { ...common, slots, flags, flagNames, ...cache }));
}

/** The first model that the server names: both are started with one. */
export async function servedModel(url: string): Promise<string> {
  const { status, body } = await fetchText(`${url}/v1/models`);
  const id = status === 200 ? (JSON.parse(body) as { data?: ReadonlyArray<{ id: string }> }).data?.[0]?.id : undefined;
  if (id === undefined) throw new Error(`${url}/v1/models names no model (status ${status})`);
  return id;
}

/** Loads the model where that waits for the first request, and lets libraries and caches settle. Not measured. */
async function warmUp(target: Target, seconds: number): Promise<void> {
  const messages = [{ role: "user" as const, content: "Good morning." }];
  const signal = AbortSignal.timeout(seconds * 1000);
  const record = await streamChat(target, { messages, tokens: WARM_UP_TOKENS, client: 0, signal });
  if (record.error !== undefined) throw new Error(`the first request failed: ${record.error}`);
}

/** The contestant of a session, through its restarts. */
class Running {
  #server: ServerProcess | undefined;
  #target: Target | undefined;
  #memory: { readonly idle: TreeMemory; readonly loaded: TreeMemory } | undefined;

  constructor(
    private readonly plan: SessionPlan,
    private readonly options: BenchOptions,
    private readonly folder: string | undefined,
  ) {}

  get pid(): number {
    return this.#server!.pid;
  }

  get target(): Target {
    return this.#target!;
  }

  get memory(): NonNullable<RunRecord["memory"]> {
    return { ...this.#memory!, after: treeMemory(this.pid) };
  }

  async start(): Promise<Target> {
    this.#server = await startServer(this.plan, this.options, this.folder);
    const idle = treeMemory(this.pid);
    this.#target = { url: this.#server.url, modelId: await servedModel(this.#server.url), noEnd: NO_END };
    await warmUp(this.#target, this.options.maxSeconds);
    this.#memory = { idle, loaded: treeMemory(this.pid) };
    return this.#target;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }
}

async function runCase(plan: SessionPlan, { workload, clients }: Case, running: Running, options: BenchOptions): Promise<RunRecord> {
  const before = await waitForQuiet(QUIET_PATIENCE_MS);
  const signal = AbortSignal.timeout(options.maxSeconds * 1000);
  setMaxListeners(0, signal); // every request in flight listens
  const meter = new CpuMeter(running.pid);
  const requests = await workload.run({
    target: running.target,
    clients,
    round: plan.round,
    signal,
    restart: async () => {
      meter.leave();
      await running.stop();
      const target = await running.start();
      meter.follow(running.pid);
      return target;
    },
    ...(options.requests === undefined ? {} : { requests: options.requests }),
  });
  const cpu = meter.read();
  const noise = noiseOf(before, workload.makesNoise ?? false, cpu, wallMs(requests));
  const refused = requests.find((request) => request.status === 400 || request.status === 501);
  const faults = [...problemsOf(requests, workload.mayBundle), ...(workload.problems?.(requests) ?? [])];
  // Times start at the first send: the clock of the process means nothing to a reader of the JSON.
  const origin = Math.min(...requests.map((r) => r.sentMs));
  return {
    ...{ round: plan.round, model: plan.model.name, contestant: plan.contestant, workload: workload.name, clients, before, cpu },
    memory: running.memory,
    // Not a number: nothing was there to be measured.
    figures: refused ? [] : (workload.figures ?? commonFigures)(requests).filter(({ value }) => Number.isFinite(value)),
    ...(refused ? { notServed: refused.error ?? "refused" } : {}),
    disturbed: noise.length > 0,
    problems: refused ? noise : [...faults, ...noise],
    requests: requests.map((record) => shifted(record, origin)),
  };
}

function shifted(record: RequestRecord, origin: number): RequestRecord {
  const at = (ms: number) => Math.round((ms - origin) * 1000) / 1000;
  return {
    ...record,
    sentMs: at(record.sentMs),
    endMs: at(record.endMs),
    chunkMs: record.chunkMs.map(at),
    ...(record.firstByteMs === undefined ? {} : { firstByteMs: at(record.firstByteMs) }),
  };
}
