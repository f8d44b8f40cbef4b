/**
 * One session: start one contestant, run its cases, measure around each, stop it. Called by run.ts, one session at a time,
 * so that nothing but the contestant and the clients is at work.
 */
import { setMaxListeners } from "node:events";
import { bareSession } from "./bare-session.ts";
import { type Contestant, oursCommand, referenceCommand } from "./contestants/commands.ts";
import { fetchText, ServerProcess } from "./contestants/process.ts";
import { type RequestRecord, streamChat, type Target } from "./measure/client.ts";
import { type CpuUse, cpuMeter, noiseOf } from "./measure/cpu-meter.ts";
import { commonFigures, type Figure, problemsOf, wallMs } from "./measure/figures.ts";
import { QUIET_PATIENCE_MS, type Quietness, waitForQuiet } from "./measure/machine.ts";
import { type TreeMemory, treeMemory } from "./measure/process-tree.ts";
import type { BenchModel } from "./models.ts";
import type { BenchOptions } from "./options.ts";
import type { Workload } from "./workloads/workload.ts";

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
  const server = await startServer(plan, options);
  try {
    const idle = treeMemory(server.pid);
    const target: Target = { url: server.url, modelId: await servedModel(server.url) };
    await warmUp(target, options.maxSeconds);
    const loaded = treeMemory(server.pid);
    const records: RunRecord[] = [];
    for (const each of plan.cases) records.push(await runCase(plan, each, { server, target, idle, loaded }, options));
    return records;
  } finally {
    await server.stop();
  }
}

async function startServer({ contestant, model }: SessionPlan, options: BenchOptions): Promise<ServerProcess> {
  const common = { model: model.path, context: options.context, preload: false };
  if (contestant === "reference") {
    const command = await referenceCommand({ ...common, slots: options.referenceSlots, flags: options.referenceFlags });
    return ServerProcess.start(command);
  }
  return ServerProcess.start(oursCommand(contestant, { ...common, slots: options.slots, flags: options.oursFlags }));
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

interface Running {
  readonly server: ServerProcess;
  readonly target: Target;
  readonly idle: TreeMemory;
  readonly loaded: TreeMemory;
}

async function runCase(plan: SessionPlan, { workload, clients }: Case, running: Running, options: BenchOptions): Promise<RunRecord> {
  const { server, target, idle, loaded } = running;
  const before = await waitForQuiet(QUIET_PATIENCE_MS);
  const signal = AbortSignal.timeout(options.maxSeconds * 1000);
  setMaxListeners(0, signal); // every request in flight listens
  const meter = cpuMeter(server.pid);
  const requests = await workload.run({
    target,
    clients,
    round: plan.round,
    signal,
    ...(options.requests === undefined ? {} : { requests: options.requests }),
  });
  const cpu = meter();
  const noise = noiseOf(before, workload.name, cpu, wallMs(requests));
  // Times start at the first send: the clock of the process means nothing to a reader of the JSON.
  const origin = Math.min(...requests.map((r) => r.sentMs));
  return {
    round: plan.round,
    model: plan.model.name,
    contestant: plan.contestant,
    workload: workload.name,
    clients,
    before,
    cpu,
    memory: { idle, loaded, after: treeMemory(server.pid) },
    figures: (workload.figures ?? commonFigures)(requests),
    disturbed: noise.length > 0,
    problems: [...problemsOf(requests), ...noise],
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
