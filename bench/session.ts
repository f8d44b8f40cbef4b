/**
 * One session: start one contestant, run its cases, measure around each, stop it. Called by run.ts, one session at a time,
 * so that nothing but the contestant and the clients is at work.
 */
import { setMaxListeners } from "node:events";
import type { BareTask } from "./bare-loop.ts";
import { bareFigures, runBareLoop } from "./contestants/bare.ts";
import { type Contestant, oursCommand, referenceCommand } from "./contestants/commands.ts";
import { fetchText, ServerProcess } from "./contestants/process.ts";
import { type RequestRecord, streamChat, type Target } from "./measure/client.ts";
import { commonFigures, type Figure, problemsOf, wallMs } from "./measure/figures.ts";
import { cpuTimes, describeQuiet, type Quietness, waitForQuiet } from "./measure/machine.ts";
import { type TreeMemory, treeCpuSeconds, treeMemory } from "./measure/process-tree.ts";
import type { BenchModel } from "./models.ts";
import type { BenchOptions } from "./options.ts";
import { DECODE_TOKENS, decode, decodePrompt, requestsPerClient } from "./workloads/decode.ts";
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
  /** CPU seconds during the run: the contestant's, the bench's own, and everybody else's. */
  readonly cpu: { readonly contestant: number; readonly bench: number; readonly others: number };
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

const QUIET_PATIENCE_MS = 10_000;
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
  const noise = noiseOf(before, workload.name, cpu.others, wallMs(requests));
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

/** Reads CPU use now; the function it gives tells what was used since. */
function cpuMeter(pid: number): () => RunRecord["cpu"] {
  const [busy, tree, own] = [cpuTimes().busy, treeCpuSeconds(pid), process.cpuUsage()];
  return () => {
    const mine = process.cpuUsage(own);
    const bench = (mine.user + mine.system) / 1e6;
    const contestant = treeCpuSeconds(pid) - tree;
    return { contestant, bench, others: Math.max(0, cpuTimes().busy - busy - contestant - bench) };
  };
}

const MAX_OTHERS = 0.06;

/** `busy` makes its own noise; in all others foreign CPU during the run spoils the figures, wherever it came from. */
function noiseOf(before: Quietness, workload: string, othersSeconds: number, wall: number): string[] {
  const problems = before.quiet ? [] : [`the machine was not quiet before the run: ${describeQuiet(before)}`];
  const cores = othersSeconds / (wall / 1000);
  if (workload !== "busy" && cores > MAX_OTHERS) problems.push(`other programs used ${cores.toFixed(2)} cores during the run`);
  return problems;
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

/** SmolLM2's own chat template, with the system turn that it adds, so that the bare loop has the servers' prompts. */
function rendered(user: string): string {
  const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  return `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`;
}

/** The bare loop knows decoding only; other workloads have no row for it. */
async function bareSession(plan: SessionPlan, options: BenchOptions, scripts: string): Promise<RunRecord[]> {
  const records: RunRecord[] = [];
  for (const { workload, clients } of plan.cases) {
    if (workload !== decode) continue;
    const before = await waitForQuiet(QUIET_PATIENCE_MS);
    const count = options.requests ?? requestsPerClient(clients);
    const wave = (index: number) => Array.from({ length: clients }, (_, client) => rendered(decodePrompt(plan.round, client, index)));
    const task: BareTask = {
      model: plan.model.path,
      unified: plan.contestant === "bare-unified",
      context: options.context,
      slots: Math.max(clients, options.slots),
      tokens: DECODE_TOKENS,
      waves: Array.from({ length: count }, (_, index) => wave(index)),
    };
    const result = await runBareLoop(scripts, task, options.maxSeconds * 1000);
    const noise = noiseOf(before, workload.name, result.cpu.others, result.wallMs);
    records.push({
      round: plan.round,
      model: plan.model.name,
      contestant: plan.contestant,
      workload: workload.name,
      clients,
      before,
      cpu: { contestant: result.cpu.own, bench: 0, others: result.cpu.others },
      memory: undefined,
      figures: bareFigures(result),
      disturbed: noise.length > 0,
      problems: noise,
      requests: [],
    });
  }
  return records;
}
