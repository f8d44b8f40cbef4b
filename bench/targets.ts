/** What must be reached, from the issues: printed beside what was measured. The report judges by it; nothing else knows it. */

/** Constitution: spawn to healthy. Either is enough. */
export const STARTUP_LIMIT_MS = 150;
export const STARTUP_LIMIT_TIMES_BARE = 3;
/** Constitution: Private_Dirty of the idle gateway above a bare Node HTTP server. */
export const IDLE_MEMORY_LIMIT_MB = 5;
/** Issue 3: start-up with a model loaded, and memory with it, as a share of llama-server's. */
export const LOADED_STARTUP_LIMIT = 0.3;
export const LOADED_MEMORY_LIMIT = 0.8;

interface Goal {
  readonly workload: string;
  readonly model?: string;
  readonly clients?: number;
  readonly figure: string;
  /** ours / reference: at least so much where higher is better, else at most. */
  readonly ratio: number;
}

const GOALS: readonly Goal[] = [
  // Issue 3
  ...decode("q8_0", [1.0, 1.1, 1.2, 1.3]),
  ...decode("q4_1", [0.95, 1.0, 1.05, 1.0]),
  // Issue 4
  { workload: "shared8", figure: "throughput", ratio: 4.5 },
  { workload: "shared8", figure: "TTFT p50", ratio: 0.2 },
  { workload: "turns", figure: "throughput", ratio: 1.15 },
  { workload: "turns", figure: "TTFT p50", ratio: 0.7 },
  { workload: "mixed", figure: "readers' largest gap", ratio: 0.1 },
  { workload: "mixed", figure: "readers' throughput", ratio: 1.2 },
  { workload: "mixed", figure: "newcomer's TTFT", ratio: 1.3 },
  { workload: "busy", figure: "throughput", ratio: 5 },
];

function decode(model: string, ratios: readonly number[]): Goal[] {
  return [1, 4, 8, 16].map((clients, i) => ({ workload: "decode", model, clients, figure: "throughput", ratio: ratios[i]! }));
}

export function goalOf(workload: string, model: string, clients: number, figure: string): number | undefined {
  return GOALS.find(
    (goal) =>
      goal.workload === workload &&
      goal.figure === figure &&
      (goal.model === undefined || goal.model === model) &&
      (goal.clients === undefined || goal.clients === clients),
  )?.ratio;
}
