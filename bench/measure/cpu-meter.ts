/** Who used the CPU during a run, and whether that spoils its figures. Called by the sessions around each run. */
import { cpuTimes, describeQuiet, type Quietness } from "./machine.ts";
import { treeCpuSeconds } from "./process-tree.ts";

/** CPU seconds during a run: the contestant's, the bench's own, everybody else's; and what the hypervisor gave to other machines. */
export interface CpuUse {
  readonly contestant: number;
  readonly bench: number;
  readonly others: number;
  readonly stolen: number;
}

/** Reads CPU use now; the function it gives tells what was used since. */
export function cpuMeter(pid: number): () => CpuUse {
  const [times, tree, own] = [cpuTimes(), treeCpuSeconds(pid), process.cpuUsage()];
  return () => {
    const mine = process.cpuUsage(own);
    const bench = (mine.user + mine.system) / 1e6;
    const contestant = treeCpuSeconds(pid) - tree;
    const { busy, stolen } = cpuTimes();
    return { contestant, bench, others: Math.max(0, busy - times.busy - contestant - bench), stolen: stolen - times.stolen };
  };
}

/** Cores, of others and of the hypervisor together. */
const MAX_OTHERS = 0.06;

/** `busy` makes its own noise; in all others foreign CPU during the run spoils the figures, wherever it came from. */
export function noiseOf(before: Quietness, workload: string, cpu: CpuUse, wall: number): string[] {
  const problems = before.quiet ? [] : [`the machine was not quiet before the run: ${describeQuiet(before)}`];
  const seconds = (workload === "busy" ? 0 : cpu.others) + cpu.stolen;
  const cores = seconds / (wall / 1000);
  if (cores > MAX_OTHERS) problems.push(`others used ${cores.toFixed(2)} cores during the run, ${cpu.stolen.toFixed(1)} s of it stolen`);
  return problems;
}
