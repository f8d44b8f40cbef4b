/** The workloads that any OpenAI-compatible server can be asked, by name, and the cases that a run makes of them. Called by `shimmy bench`. */
import { nearest } from "../../config/suggest.ts";
import { ShimmyError } from "../../contract/errors.ts";
import { burst } from "./burst.ts";
import { decode } from "./decode.ts";
import { json4 } from "./json.ts";
import { mixed } from "./mixed.ts";
import { shared8 } from "./shared8.ts";
import { turns } from "./turns.ts";
import type { Workload } from "./workload.ts";

export type NamedWorkload = Workload & Required<Pick<Workload, "work">>;

export interface Case {
  readonly workload: NamedWorkload;
  readonly clients: number;
}

/** In the order in which they are run. */
export const NAMED: readonly NamedWorkload[] = [
  { ...decode, summary: "short prompts, at 1, 4 and 8 clients (--clients)", clients: [1, 4, 8] },
  { ...shared8, name: "shared", summary: "8 clients at once with one system prompt of 500 words" },
  { ...turns, summary: "12 conversations of 4 turns, 6 requests at a time" },
  { ...mixed, summary: "4 clients read, then a prompt of 1,200 words arrives" },
  { ...burst, summary: "64 requests in the same moment (fewer where time is short)", leastClients: 16 },
  { ...json4, name: "json", summary: "4 clients, answers by a JSON schema" },
].map((workload) => ({ ...workload, work: workload.work! }));

/** As the developers' bench calls them. */
const OTHER_NAMES: Readonly<Record<string, string>> = { shared8: "shared", json4: "json" };

/** @param names separated by commas; absent or `all`: every one. @throws unknown_workload */
export function workloadsNamed(names: string | undefined): readonly NamedWorkload[] {
  if (names === undefined || names === "all") return NAMED;
  const wanted = names.split(",").map((name) => name.trim());
  const chosen = wanted.filter((name) => name !== "").map(workloadNamed);
  if (chosen.length === 0) throw unknown(names);
  return NAMED.filter((workload) => chosen.includes(workload));
}

function workloadNamed(name: string): NamedWorkload {
  const found = NAMED.find((workload) => workload.name === (OTHER_NAMES[name] ?? name));
  if (!found) throw unknown(name);
  return found;
}

function unknown(name: string): ShimmyError {
  const names = NAMED.map((workload) => workload.name);
  const meant = nearest(name, names);
  return new ShimmyError("unknown_workload", { name, meant: meant === undefined ? "" : `, perhaps '${meant}'`, names: names.join(", ") });
}

/** @param clients instead of a workload's own counts, where they are free */
export function casesOf(workloads: readonly NamedWorkload[], clients: readonly number[] | undefined, share: number): Case[] {
  return workloads.flatMap((workload) => {
    const counts = workload.fixedClients ? workload.clients : (clients ?? workload.clients);
    const { leastClients } = workload;
    const sized = (count: number) => (leastClients === undefined ? count : Math.max(leastClients, Math.round(count * share)));
    return counts.map((count) => ({ workload, clients: sized(count) }));
  });
}
