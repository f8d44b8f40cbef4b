/** What other programs used of the processors while a case ran: Linux alone tells. Called by run.ts around each case. */
import { availableParallelism } from "node:os";
import { CpuMeter } from "./cpu-meter.ts";

export interface Watched {
  /** Cores that neither this program nor the measured server used, those stolen by a hypervisor counted. */
  readonly othersCores: number;
  readonly seconds: number;
}

/** More than this share of the cores makes a machine not quiet. */
export const QUIET_SHARE = 0.05;

/** @param pid of the measured server; absent: it runs on another machine. @returns what was used since, when called */
export function watch(pid: number | undefined): () => Watched {
  const meter = new CpuMeter(pid);
  const began = performance.now();
  return () => {
    const { others, stolen } = meter.read();
    const seconds = Math.max(1e-3, (performance.now() - began) / 1000);
    return { othersCores: (others + stolen) / seconds, seconds };
  };
}

/** Over all cases, by their length. Undefined: none was watched. */
export function othersOf(all: readonly Watched[]): { readonly cores: number; readonly quiet: boolean } | undefined {
  const seconds = all.reduce((sum, each) => sum + each.seconds, 0);
  if (seconds === 0) return undefined;
  const cores = all.reduce((sum, each) => sum + each.othersCores * each.seconds, 0) / seconds;
  return { cores, quiet: cores <= QUIET_SHARE * availableParallelism() };
}
