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
}

export interface Workload {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Client counts it is run with when the user names none; a single one where the number is part of the workload. */
  readonly clients: readonly number[];
  readonly fixedClients?: boolean;
  run(context: WorkloadContext): Promise<RequestRecord[]>;
  /** Absent: the common figures. */
  figures?(records: readonly RequestRecord[]): Figure[];
}

/** `clients` at once, each doing `work` until it has no more; gives all records in the order of clients. */
export async function concurrently(clients: number, work: (client: number) => Promise<RequestRecord[]>): Promise<RequestRecord[]> {
  return (await Promise.all(Array.from({ length: clients }, (_, client) => work(client)))).flat();
}
