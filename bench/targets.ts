/** What must be reached, from the issues: printed beside what was measured. verdicts.ts judges by it; nothing else knows it. */
import type { Contestant } from "./contestants/commands.ts";

/** Constitution: spawn to healthy. Either is enough. */
export const STARTUP_LIMIT_MS = 150;
export const STARTUP_LIMIT_TIMES_BARE = 3;
/** Constitution: Private_Dirty of the idle gateway above a bare Node HTTP server. */
export const IDLE_MEMORY_LIMIT_MB = 5;
/** Issue 3: start-up with a model loaded, and memory with it, as a share of llama-server's. */
export const LOADED_STARTUP_LIMIT = 0.3;
export const LOADED_MEMORY_LIMIT = 0.8;

export const ISSUES = [3, 4] as const;
export type Issue = (typeof ISSUES)[number];

/** A figure of ours on a workload, against something measured in the same run. */
export interface Goal {
  readonly issue: Issue;
  readonly workload: string;
  readonly model?: string;
  readonly clients?: number;
  readonly figure: string;
  /** Which side of `limit` is good. */
  readonly bound: "at least" | "at most";
  readonly limit: number;
  /**
   * What `limit` is a multiple of: the same figure of another contestant, the same figure of ours on another workload with as many
   * clients, or nothing: then it has the figure's own unit.
   */
  readonly of: { readonly contestant: Contestant } | { readonly workload: string } | "itself";
}

const REFERENCE = { contestant: "reference" } as const;
const BARE = { contestant: "bare" } as const;
const OWN_TEXT = { workload: "json4-text" } as const;

/** Times as the issues put it: throughput at least, all else at most. */
function goal(issue: Issue, workload: string, figure: string, limit: number, of: Goal["of"] = REFERENCE): Goal {
  return { issue, workload, figure, bound: figure.includes("throughput") ? "at least" : "at most", limit, of };
}

function decode(issue: Issue, model: string, limits: readonly number[]): Goal[] {
  return [1, 4, 8, 16].map((clients, i) => ({ ...goal(issue, "decode", "throughput", limits[i]!), model, clients }));
}

export const GOALS: readonly Goal[] = [
  ...decode(3, "q8_0", [1.0, 1.1, 1.2, 1.3]),
  ...decode(3, "q4_1", [0.95, 1.0, 1.05, 1.0]),

  ...decode(4, "q8_0", [1.0, 1.15, 1.25, 1.35]),
  ...decode(4, "q4_1", [1.0, 1.05, 1.1, 1.0]),
  ...[1, 8].map((clients) => ({ ...goal(4, "decode", "throughput", 0.92, BARE), clients })),
  goal(4, "shared8", "throughput", 4.5),
  goal(4, "shared8", "TTFT p50", 0.2),
  goal(4, "turns", "throughput", 1.15),
  goal(4, "turns", "TTFT p50", 0.7),
  goal(4, "mixed", "readers' largest gap", 0.1),
  goal(4, "mixed", "readers' throughput", 1.2),
  goal(4, "mixed", "newcomer's TTFT", 1.3),
  ...["json4", "json4-diff"].flatMap((workload) => [
    goal(4, workload, "throughput", 1.15),
    goal(4, workload, "throughput", 0.95, OWN_TEXT),
  ]),
  ...["schema-enum", "schema-recursive"].flatMap((workload) => [
    goal(4, workload, "TTFT", 0.1),
    goal(4, workload, "stall in steps", 2, "itself"),
  ]),
  goal(4, "busy1", "throughput", 5),
  goal(4, "busy4", "throughput", 5),
  { ...goal(4, "burst", "finished", 64, "itself"), bound: "at least" },
  // The answer's last token was never computed, so one more than the new turn is only the new turn.
  goal(4, "restart", "recomputed beyond the new turn", 1, "itself"),
  // Speculation where it does not pay: never more than 3%.
  goal(4, "edit", "throughput", 0.97, { contestant: "ours-nospec" }),
  { ...goal(4, "drafts", "speed with drafts", 0.97, "itself"), bound: "at least" },
];

/** Issue 4: RSS after the whole set, of llama-server's. The set is one server's life: `--fresh model`. */
export const MEMORY_AFTER_GOAL = { issue: 4, limit: 0.7 } as const;
