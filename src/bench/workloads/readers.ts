/** Clients who read while something else happens: the other half of `mixed` and of the schema workloads. */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { decodePrompt } from "./decode.ts";
import type { WorkloadContext } from "./workload.ts";

export interface Readers {
  /** Every reader has `before` tokens, or all are at an end because something failed. */
  readonly reading: Promise<void>;
  /** All their requests, when the last one ended. */
  readonly done: Promise<RequestRecord[]>;
}

export interface ReaderOptions {
  readonly count: number;
  /** Length of an answer. */
  readonly tokens: number;
  readonly before: number;
  /** Hangs up. With it a reader asks again whenever an answer ends; without it each asks once. */
  readonly until?: AbortSignal;
}

/** The index of `decodePrompt` that no other workload uses. */
const PROMPT_INDEX = 50;

export function startReaders({ target, round, signal }: WorkloadContext, { count, tokens, before, until }: ReaderOptions): Readers {
  let enough = 0;
  let allEnough = () => {};
  const started = new Promise<void>((resolve) => {
    allEnough = resolve;
  });
  const read = async (client: number): Promise<RequestRecord[]> => {
    const records: RequestRecord[] = [];
    do {
      const first = records.length === 0;
      const onChunk = (chunks: number) => {
        if (first && chunks === before && ++enough === count) allEnough();
      };
      const messages = [{ role: "user" as const, content: decodePrompt(round, client, PROMPT_INDEX + records.length) }];
      const record = await streamChat(target, { messages, tokens, client, group: "reader", signal, onChunk, ...(until ? { until } : {}) });
      records.push(record);
    } while (until && !until.aborted && records.at(-1)!.error === undefined);
    return records;
  };
  const done = Promise.all(Array.from({ length: count }, (_, client) => read(client))).then((all) => all.flat());
  return { reading: Promise.race([started, done.then(() => {})]), done };
}
