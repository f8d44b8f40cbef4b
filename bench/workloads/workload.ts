/** What a workload is. One file each beside this one; index.ts names them; session.ts runs them. A workload knows no server. */
import type { RequestRecord, Target } from "../measure/client.ts";
import type { Figure } from "../measure/figures.ts";

export interface WorkloadContext {
  readonly target: Target;
  readonly clients: number;
  /** Seeds the prompts: the same for all contestants of a round, never the same in two rounds. */
  readonly round: number;
  /** Requests a client sends one after the other, where the workload has such a number and the user wants another. */
  readonly requests?: number;
  /** Ends what takes too long; the requests then fail. */
  readonly signal: AbortSignal;
  /** Stops the server, starts it again as before and loads its model. Only for a workload with `needs: "restart"`. */
  restart(): Promise<Target>;
}

export interface Workload {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Client counts it is run with when the user names none; a single one where the number is part of the workload. */
  readonly clients: readonly number[];
  readonly fixedClients?: boolean;
  /** How its contestants are started besides the usual; it then has a server of its own, whatever `--fresh` says. */
  readonly needs?: "speculation" | "restart";
  /** CPU of others is part of it and spoils nothing. */
  readonly makesNoise?: boolean;
  /** Several tokens may come in one chunk: forced by a schema, verified together. No figure of it is per token then. */
  readonly mayBundle?: boolean;
  run(context: WorkloadContext): Promise<RequestRecord[]>;
  /** Absent: the common figures. */
  figures?(records: readonly RequestRecord[]): Figure[];
  /** What is wrong with the answers themselves, one line each. */
  problems?(records: readonly RequestRecord[]): string[];
}

/** `clients` at once, each doing `work` until it has no more; gives all records in the order of clients. */
export async function concurrently(clients: number, work: (client: number) => Promise<RequestRecord[]>): Promise<RequestRecord[]> {
  return (await Promise.all(Array.from({ length: clients }, (_, client) => work(client)))).flat();
}
