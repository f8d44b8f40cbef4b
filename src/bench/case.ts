/** One case on one server in one round: run, and judged. Called by run.ts. A failure is told in the outcome, never thrown. */
import { setMaxListeners } from "node:events";
import type { RequestRecord } from "./measure/client.ts";
import { commonFigures, completionTokens, type Figure } from "./measure/figures.ts";
import { type Watched, watch } from "./measure/watch.ts";
import type { BenchServer } from "./server.ts";
import type { Case } from "./workloads/list.ts";
import type { Sizing } from "./workloads/workload.ts";

export interface Outcome {
  readonly round: number;
  readonly server: BenchServer["name"];
  readonly workload: string;
  readonly clients: number;
  /** None: not served, or no request came to its end. */
  readonly figures: readonly Figure[];
  readonly requests: number;
  readonly failed: number;
  /** Of the first request that failed. */
  readonly failure?: string;
  /** Why the server cannot do this: a request that it refuses. It is no failure. */
  readonly notServed?: string;
  /** What keeps a figure from being what it looks like, one line each. */
  readonly notes: readonly string[];
  /** Models that the server says have answered. */
  readonly answered: readonly string[];
  /** Pieces of text were counted, for want of usage. */
  readonly countedPieces: boolean;
  readonly watched?: Watched;
}

export interface CaseRun extends Case {
  readonly server: BenchServer;
  readonly round: number;
  /** Of the prompts: never the same in two rounds. */
  readonly seed: number;
  readonly sizing: Sizing;
  /** Whether CPU can be watched. */
  readonly watches: boolean;
  readonly signal: AbortSignal;
}

/** The request cannot be served, rather than failed: it is too much, or asks for what is not known. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 413, 422, 501]);
/** Fewer pieces than this share of the tokens: several came at once. */
const PIECES = 0.9;

/** The signal ends it: then its requests fail, and whoever ended it throws the outcome away. */
export async function runCase({ workload, clients, server, round, seed, sizing, watches, signal }: CaseRun): Promise<Outcome> {
  setMaxListeners(0, signal); // every request in flight listens
  const read = watches ? watch(server.pid) : undefined;
  const records = await workload.run({ target: server.target, clients, round: seed, signal, ...sizing });
  const watched = read?.();
  const notServed = refusalOf(records) ?? workload.problems?.(records)[0];
  const failed = notServed === undefined ? records.filter(({ error }) => error !== undefined) : [];
  const whole = records.filter(({ error, cut }) => error === undefined && !cut);
  return {
    ...{ round, server: server.name, workload: workload.name, clients },
    figures: notServed === undefined && whole.length > 0 ? figuresOf(workload.figures?.(records) ?? [], records) : [],
    requests: records.length,
    failed: failed.length,
    ...(failed[0] && { failure: failed[0].error! }),
    ...(notServed !== undefined && { notServed }),
    notes: notServed === undefined ? notesOf(whole, workload.mayBundle ?? false) : [],
    answered: [...new Set(records.flatMap(({ model }) => model ?? []))],
    countedPieces: whole.some(({ usage }) => usage === undefined),
    ...(watched && { watched }),
  };
}

function refusalOf(records: readonly RequestRecord[]): string | undefined {
  return records.find(({ error, status }) => error !== undefined && REFUSALS.has(status))?.error;
}

/** A workload that has a throughput of its own leaves out on purpose what it leaves out. */
function figuresOf(own: readonly Figure[], records: readonly RequestRecord[]): Figure[] {
  const common = own.some(({ name }) => name === "throughput") ? [] : commonFigures(records);
  const known = [...common, ...own, ...cached(records)];
  return known.filter(({ value }) => Number.isFinite(value));
}

/** Share of the prompts that the server did not compute again, where it tells. */
function cached(records: readonly RequestRecord[]): Figure[] {
  const told = records.flatMap(({ usage }) => (usage?.cachedTokens === undefined ? [] : usage));
  const prompts = told.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  if (prompts === 0) return [];
  const spared = told.reduce((sum, { cachedTokens = 0 }) => sum + cachedTokens, 0);
  return [{ name: "prompt tokens cached", unit: "%", better: "higher", value: (100 * spared) / prompts }];
}

function notesOf(whole: readonly RequestRecord[], mayBundle: boolean): string[] {
  const early = whole.filter((r) => !r.mayEnd && r.usage !== undefined && r.usage.completionTokens < r.maxTokens).length;
  const tokens = completionTokens(whole);
  const pieces = whole.reduce((sum, { chunkMs }) => sum + chunkMs.length, 0);
  return [
    ...(early > 0 ? [`${early} of ${whole.length} answers ended before the length that was asked for`] : []),
    ...(!mayBundle && pieces < PIECES * tokens ? [`${tokens} tokens came in ${pieces} pieces: gaps are between pieces, not tokens`] : []),
  ];
}
