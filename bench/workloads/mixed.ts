/** A long prompt arrives while four others read: how long do they stand still, and how long does the newcomer wait? */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { type Figure, gaps, gapsWithin, ms, percentile, tokensPerSecond, ttfts } from "../measure/figures.ts";
import { startReaders } from "./readers.ts";
import { words } from "./words.ts";
import type { Workload, WorkloadContext } from "./workload.ts";

const READER_TOKENS = 256;
/** The newcomer comes when every reader has so many tokens. */
const READ_BEFORE = 16;
const NEWCOMER_WORDS = 1_200;
const NEWCOMER_TOKENS = 48;

export const mixed: Workload = {
  name: "mixed",
  summary: "4 readers of 256 tokens, then one prompt of 1,200 words",
  clients: [4],
  fixedClients: true,
  run: runMixed,
  figures,
};

async function runMixed(context: WorkloadContext): Promise<RequestRecord[]> {
  const { target, clients, round, signal } = context;
  const readers = startReaders(context, { count: clients, tokens: READER_TOKENS, before: READ_BEFORE });
  await readers.reading;
  const messages = [{ role: "user" as const, content: `Summarise: ${words(NEWCOMER_WORDS, 3_000 + round)}` }];
  const newcomer = await streamChat(target, { messages, tokens: NEWCOMER_TOKENS, client: clients, group: "newcomer", signal });
  return [...(await readers.done), newcomer];
}

function figures(records: readonly RequestRecord[]): Figure[] {
  const readers = records.filter((record) => record.group === "reader");
  const newcomer = records.find((record) => record.group === "newcomer");
  // Only while the newcomer's prompt is computed: what readers do to each other at their own start is no matter of his.
  const stalls = newcomer ? gapsWithin(readers, newcomer.sentMs, newcomer.chunkMs[0] ?? newcomer.endMs) : [];
  return [
    ms("readers' largest gap", percentile(stalls, 1)),
    { ...tokensPerSecond(readers), name: "readers' throughput" },
    ms("newcomer's TTFT", percentile(newcomer ? ttfts([newcomer]) : [], 0.5)),
    ms("readers' gap p99 meanwhile", percentile(stalls, 0.99)),
    ms("readers' gap p50", percentile(gaps(readers), 0.5)),
  ];
}
