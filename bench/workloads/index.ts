/** All workloads by name. A new one is a file and a line here. */
import { burst } from "./burst.ts";
import { busy } from "./busy.ts";
import { decode } from "./decode.ts";
import { mixed } from "./mixed.ts";
import { shared8 } from "./shared8.ts";
import { turns } from "./turns.ts";
import type { Workload } from "./workload.ts";

export const WORKLOADS: readonly Workload[] = [decode, shared8, turns, mixed, burst, busy];

export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (!found) throw new Error(`unknown workload ${name}: startup, ${WORKLOADS.map((workload) => workload.name).join(", ")}`);
  return found;
}
