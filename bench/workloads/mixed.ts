/** A long prompt arrives while four others read: how long do they stand still, and how long does the newcomer wait? */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { type Figure, gaps, ms, percentile, tokensPerSecond, ttfts } from "../measure/figures.ts";
import { decodePrompt } from "./decode.ts";
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

async function runMixed({ target, clients, round, signal }: WorkloadContext): Promise<RequestRecord[]> {
  let reading = 0;
  let startNewcomer = () => {};
  const started = new Promise<void>((resolve) => {
    startNewcomer = resolve;
  });
  const readers = Array.from({ length: clients }, (_, client) => {
    const messages = [{ role: "user" as const, content: decodePrompt(round, client, 50) }];
    const onChunk = (count: number) => {
      if (count === READ_BEFORE && ++reading === clients) startNewcomer();
    };
    return streamChat(target, { messages, tokens: READER_TOKENS, client, group: "reader", signal, onChunk });
  });
  // Also when a reader fails before that, so that a broken server ends the run and does not hang it.
  await Promise.race([started, Promise.all(readers)]);
  const messages = [{ role: "user" as const, content: `Summarise: ${words(NEWCOMER_WORDS, 3_000 + round)}` }];
  const newcomer = streamChat(target, { messages, tokens: NEWCOMER_TOKENS, client: clients, group: "newcomer", signal });
  return Promise.all([...readers, newcomer]);
}

function figures(records: readonly RequestRecord[]): Figure[] {
  const readers = records.filter((record) => record.group === "reader");
  const newcomer = records.filter((record) => record.group === "newcomer");
  return [
    ms("readers' largest gap", percentile(gaps(readers), 1)),
    { ...tokensPerSecond(readers), name: "readers' throughput" },
    ms("newcomer's TTFT", percentile(ttfts(newcomer), 0.5)),
    ms("readers' gap p50", percentile(gaps(readers), 0.5)),
  ];
}
