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

/** Reads CPU use when it is made; `read` tells what was used since. */
export class CpuMeter {
  readonly #times = cpuTimes();
  readonly #own = process.cpuUsage();
  #pid: number | undefined;
  #tree: number;
  /** Of a server that was stopped meanwhile. */
  #earlier = 0;

  /** @param pid of the contestant; undefined: it is on another machine */
  constructor(pid: number | undefined) {
    this.#pid = pid;
    this.#tree = this.#used();
  }

  /** The contestant is about to be stopped: its counters end with it. */
  leave(): void {
    this.#earlier += this.#used() - this.#tree;
  }

  /** It was started again, as another process. */
  follow(pid: number): void {
    this.#pid = pid;
    this.#tree = 0;
  }

  #used(): number {
    return this.#pid === undefined ? 0 : treeCpuSeconds(this.#pid);
  }

  read(): CpuUse {
    const mine = process.cpuUsage(this.#own);
    const bench = (mine.user + mine.system) / 1e6;
    const contestant = this.#earlier + this.#used() - this.#tree;
    const { busy, stolen } = cpuTimes();
    const others = Math.max(0, busy - this.#times.busy - contestant - bench);
    return { contestant, bench, others, stolen: stolen - this.#times.stolen };
  }
}

/** Cores, of others and of the hypervisor together. */
const MAX_OTHERS = 0.06;

/** Foreign CPU during the run spoils the figures, wherever it came from, unless the workload `makesNoise` itself. */
export function noiseOf(before: Quietness, makesNoise: boolean, cpu: CpuUse, wall: number): string[] {
  const problems = before.quiet ? [] : [`the machine was not quiet before the run: ${describeQuiet(before)}`];
  const seconds = (makesNoise ? 0 : cpu.others) + cpu.stolen;
  const cores = seconds / (wall / 1000);
  if (cores > MAX_OTHERS) problems.push(`others used ${cores.toFixed(2)} cores during the run, ${cpu.stolen.toFixed(1)} s of it stolen`);
  return problems;
}
