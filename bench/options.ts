/** The command line of the bench: words to one typed object. Called by run.ts. */
import { parseArgs } from "node:util";
import type { Workload } from "../src/bench/workloads/workload.ts";
import { CONTESTANTS, type Contestant, FLAG_NAMES, type FlagNames } from "./contestants/commands.ts";
import { ISSUES, type Issue } from "./targets.ts";
import { GROUPS, WORKLOADS, workloadsNamed } from "./workloads/index.ts";

export interface BenchOptions {
  readonly startup: boolean;
  readonly workloads: readonly Workload[];
  readonly models: readonly string[];
  readonly servers: readonly Contestant[];
  readonly rounds: number;
  readonly startupRounds: number;
  /** Absent: each workload's own counts. */
  readonly clients: readonly number[] | undefined;
  readonly requests: number | undefined;
  readonly slots: number;
  readonly referenceSlots: number;
  readonly context: number;
  readonly maxSeconds: number;
  /** A new server for every case, or one for all cases of a model, to see what a long life does to it. */
  readonly fresh: "case" | "model";
  readonly oursFlags: readonly string[];
  readonly referenceFlags: readonly string[];
  readonly flagNames: FlagNames;
  /** Whose goals are shown and judged by. */
  readonly issues: readonly Issue[];
  readonly out: string;
  /** Where the page goes; absent: none is made. */
  readonly html: string | undefined;
  /** A raw JSON to report on instead of measuring. */
  readonly from: string | undefined;
  /** How often a session that other programs disturbed is run again. */
  readonly retries: number;
  readonly noisy: boolean;
}

const DEFAULTS = {
  workloads: "startup,decode",
  models: "q8_0",
  servers: "ours,reference",
  rounds: "3",
  "startup-rounds": "7",
  slots: "8",
  ctx: "2048",
  "max-seconds": "120",
  retries: "2",
  fresh: "case",
  "ours-flags": "",
  "reference-flags": "",
  "speculation-flag": FLAG_NAMES.speculation,
  "cache-flag": FLAG_NAMES.cacheDir,
  issue: "4",
} as const;

export const HELP = `npm run bench -- [options]      compares Shimmy with llama-server, alternately, in one run
  --workloads LIST       startup and those below; ${[...GROUPS.keys()].join(", ")} name several; default ${DEFAULTS.workloads}
${WORKLOADS.map((w) => `                           ${w.name.padEnd(16)} ${w.summary}`).join("\n")}
  --models LIST          q8_0, q4_1, q4_0, q4_k_m, f16 (made from the shared Q4_1) or a path; default ${DEFAULTS.models}
  --servers LIST         ${CONTESTANTS.join(", ")}; default ${DEFAULTS.servers}
  --rounds N             default ${DEFAULTS.rounds}; every other round in reversed order
  --clients LIST         instead of each workload's own counts (decode)
  --requests N           requests a client sends, instead of the workload's own number
  --slots N              requests decoded at once, ours and bare; default ${DEFAULTS.slots}
  --reference-slots N    the same for llama-server; default: as --slots
  --ctx N                KV cells of one slot; default ${DEFAULTS.ctx}
  --max-seconds N        a run that takes longer is ended and counts as failed; default ${DEFAULTS["max-seconds"]}
  --startup-rounds N     default ${DEFAULTS["startup-rounds"]}
  --fresh case|model     a new server for each case, or one for all cases of a model; default ${DEFAULTS.fresh}
  --ours-flags="…", --reference-flags="…"   more flags, as they are (with =, since they begin with --)
  --speculation-flag=--NAME, --cache-flag=--NAME   our settings for edit and restart; default ${FLAG_NAMES.speculation}, ${FLAG_NAMES.cacheDir}
  --issue LIST           whose goals to judge by, ${ISSUES.join(" or ")} or both; default ${DEFAULTS.issue}
  --html FILE            also one page with plots of every round, tables and the machine
  --from FILE            report on a raw JSON instead of measuring
  --out FILE             raw JSON; default bench/results/TIME.json
  --retries N            how often a session disturbed by other programs is run again; default ${DEFAULTS.retries}
  --noisy                measure although the machine is not quiet, and repeat nothing
example: npm run bench -- --workloads decode --models q8_0,q4_1 --servers ours,reference,bare --rounds 3 --out bench/results/decode.json`;

/** @throws with a sentence for the user; `undefined` when only help was asked for. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const text = { type: "string" } as const;
  const values: Readonly<Record<string, string | boolean | undefined>> = parseArgs({
    args: [...argv],
    options: {
      ...Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, { ...text, default: value }])),
      clients: text,
      requests: text,
      "reference-slots": text,
      out: text,
      html: text,
      from: text,
      noisy: { type: "boolean" },
      help: { type: "boolean" },
    },
  }).values;
  if (values.help === true) return undefined;
  const get = (name: string): string | undefined => (typeof values[name] === "string" ? values[name] : undefined);
  const number = (name: string): number => positive(name, get(name)!);
  const optional = (name: string): number | undefined => (get(name) === undefined ? undefined : number(name));
  const names = list(get("workloads")!);
  return {
    startup: names.includes("startup"),
    workloads: names.filter((name) => name !== "startup").flatMap(workloadsNamed),
    models: list(get("models")!),
    servers: list(get("servers")!).map(contestant),
    rounds: number("rounds"),
    startupRounds: number("startup-rounds"),
    clients: get("clients") === undefined ? undefined : list(get("clients")!).map((n) => positive("clients", n)),
    requests: optional("requests"),
    slots: number("slots"),
    referenceSlots: optional("reference-slots") ?? number("slots"),
    context: number("ctx"),
    maxSeconds: number("max-seconds"),
    retries: wholeNumber("retries", get("retries")!, 0),
    fresh: get("fresh") === "model" ? "model" : "case",
    oursFlags: list(get("ours-flags")!, " "),
    referenceFlags: list(get("reference-flags")!, " "),
    flagNames: { speculation: get("speculation-flag")!, cacheDir: get("cache-flag")! },
    issues: list(get("issue")!).map(issue),
    html: get("html"),
    from: get("from"),
    out: get("out") ?? `bench/results/${new Date().toISOString().replace(/[:.]/g, "-")}.json`,
    noisy: values.noisy === true,
  };
}

function list(text: string, separator = ","): string[] {
  return text.split(separator).filter((item) => item !== "");
}

function positive(name: string, text: string): number {
  return wholeNumber(name, text, 1);
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name}: ${text} is not a whole number of at least ${least}`);
  return value;
}

function contestant(name: string): Contestant {
  const found = CONTESTANTS.find((known) => known === name);
  if (!found) throw new Error(`unknown server ${name}: ${CONTESTANTS.join(", ")}`);
  return found;
}

function issue(text: string): Issue {
  const found = ISSUES.find((known) => String(known) === text);
  if (!found) throw new Error(`no goals of issue ${text}: ${ISSUES.join(", ")}`);
  return found;
}
