/** All workloads by name. A new one is a file and a line here. */
import { burst } from "../../src/bench/workloads/burst.ts";
import { decode } from "../../src/bench/workloads/decode.ts";
import { json4, json4Diff, json4Text } from "../../src/bench/workloads/json.ts";
import { mixed } from "../../src/bench/workloads/mixed.ts";
import { shared8 } from "../../src/bench/workloads/shared8.ts";
import { turns } from "../../src/bench/workloads/turns.ts";
import type { Workload } from "../../src/bench/workloads/workload.ts";
import { busy1, busy4 } from "./busy.ts";
import { draftsOfPlainText } from "./drafts.ts";
import { edit } from "./edit.ts";
import { restart } from "./restart.ts";
import { schemaEnum, schemaRecursive } from "./schema.ts";

const JSON_WORKLOADS = [json4, json4Diff, json4Text];
const SCHEMA_WORKLOADS = [schemaEnum, schemaRecursive];
const BUSY_WORKLOADS = [busy1, busy4];

export const WORKLOADS: readonly Workload[] = [
  ...[decode, shared8, turns, mixed, burst],
  ...JSON_WORKLOADS,
  ...SCHEMA_WORKLOADS,
  ...[edit, draftsOfPlainText, ...BUSY_WORKLOADS, restart],
];

/** Names for several. */
export const GROUPS: ReadonlyMap<string, readonly Workload[]> = new Map([
  ["all", WORKLOADS],
  ["json", JSON_WORKLOADS],
  ["schema", SCHEMA_WORKLOADS],
  ["busy", BUSY_WORKLOADS],
]);

/** @throws when there is neither a workload nor a group of that name */
export function workloadsNamed(name: string): readonly Workload[] {
  const found = GROUPS.get(name) ?? WORKLOADS.filter((workload) => workload.name === name);
  if (found.length > 0) return found;
  const known = ["startup", ...WORKLOADS.map((workload) => workload.name), ...GROUPS.keys()];
  throw new Error(`unknown workload ${name}: ${known.join(", ")}`);
}
