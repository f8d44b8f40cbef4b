/**
 * What a workload is. One file each beside this one; those that any server can be asked are named in list.ts, those of the developers'
 * bench in bench/workloads/index.ts. A workload knows no server.
 */
import type { RequestRecord, Target } from "../measure/client.ts";
import type { Figure } from "../measure/figures.ts";

export interface WorkloadContext {
  readonly target: Target;
  readonly clients: number;
  /** Seeds the prompts: the same for all contestants of a round, never the same in two rounds. */
  readonly round: number;
  /** Requests a client sends one after the other, where the workload has such a number and the user wants another. */
  readonly requests?: number;
  /** Length of the answers; absent: the workload's own. */
  readonly tokens?: number;
  /** Share of the workload's own lengths and counts, above 0; absent: 1. Where time is short, it is the same work made smaller. */
  readonly share?: number;
  /** Words of the longest prompt that has room in the target's context; absent: any. */
  readonly longestPrompt?: number;
  /** Tokens of the longest answer that has room there; absent: any. */
  readonly longestAnswer?: number;
  /** Ends what takes too long; the requests then fail. */
  readonly signal: AbortSignal;
  /** Stops the server, starts it again as before and loads its model. There for a workload with `needs: "restart"`. */
  restart?(): Promise<Target>;
}

export interface Workload {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Client counts it is run with when the user names none; a single one where the number is part of the workload. */
  readonly clients: readonly number[];
  readonly fixedClients?: boolean;
  /** The work is made smaller by fewer clients, down to so many. */
  readonly leastClients?: number;
  /** How its contestants are started besides the usual; it then has a server of its own, whatever `--fresh` says. */
  readonly needs?: "speculation" | "restart";
  /** CPU of others is part of it and spoils nothing. */
  readonly makesNoise?: boolean;
  /** Several tokens may come in one chunk: forced by a schema, verified together. No figure of it is per token then. */
  readonly mayBundle?: boolean;
  run(context: WorkloadContext): Promise<RequestRecord[]>;
  /** Those of list.ts say how much they do. */
  work?(sizing: Sizing, clients: number): Work;
  /** Absent: the common figures. */
  figures?(records: readonly RequestRecord[]): Figure[];
  /** What is wrong with the answers themselves, one line each. */
  problems?(records: readonly RequestRecord[]): string[];
}

/** `clients` at once, each doing `work` until it has no more; gives all records in the order of clients. */
export async function concurrently<T extends RequestRecord>(clients: number, work: (client: number) => Promise<T[]>): Promise<T[]> {
  return (await Promise.all(Array.from({ length: clients }, (_, client) => work(client)))).flat();
}

/** Never so short that there is nothing between two tokens. */
const LEAST_TOKENS = 8;
/** Shorter ones would cost nobody anything. */
const LEAST_PROMPT = 100;

/** @param own the workload's */
export function answerTokens({ tokens, share = 1, longestAnswer = Number.POSITIVE_INFINITY }: Sizing, own: number): number {
  return Math.min(longestAnswer, tokens ?? Math.max(Math.min(own, LEAST_TOKENS), Math.round(own * share)));
}

/** Of requests or conversations. */
export function countOf({ share = 1 }: Sizing, own: number): number {
  return Math.max(1, Math.round(own * share));
}

export type Sizing = Pick<WorkloadContext, "tokens" | "share" | "longestPrompt" | "longestAnswer">;

/** How much a run of a workload is, for who wants to know before how long it takes. A prefix that a cache spares counts once. */
export interface Work {
  /** Of all prompts. */
  readonly promptWords: number;
  /** Of all answers. */
  readonly tokens: number;
}

/** Words of a prompt such as that of `decode`. */
export const SHORT_PROMPT = 14;

/** A prompt that belongs to the workload, as long as share and context allow. @param own its length in words */
export function promptWords({ share = 1, longestPrompt = Number.POSITIVE_INFINITY }: Sizing, own: number): number {
  return Math.min(longestPrompt, Math.max(Math.min(own, LEAST_PROMPT), Math.round(own * share)));
}
