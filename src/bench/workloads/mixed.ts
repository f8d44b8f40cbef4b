/** A long prompt arrives while four others read: how long do they stand still, and how long does the newcomer wait? */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { type Figure, gaps, gapsWithin, ms, percentile, tokensPerSecond, ttfts } from "../measure/figures.ts";
import { startReaders } from "./readers.ts";
import { words } from "./words.ts";
import { answerTokens, promptWords, SHORT_PROMPT, type Workload, type WorkloadContext } from "./workload.ts";

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
  work(sizing, clients) {
    const reading = answerTokens(sizing, READER_TOKENS);
    const prompts = clients * SHORT_PROMPT + promptWords(sizing, NEWCOMER_WORDS);
    return { promptWords: prompts, tokens: clients * reading + Math.min(reading, NEWCOMER_TOKENS) };
  },
  figures,
};

async function runMixed(context: WorkloadContext): Promise<RequestRecord[]> {
  const { target, clients, round, signal } = context;
  const reading = answerTokens(context, READER_TOKENS);
  // The newcomer must come while they read.
  const before = Math.max(1, Math.min(READ_BEFORE, reading >> 2));
  const readers = startReaders(context, { count: clients, tokens: reading, before });
  await readers.reading;
  const prompt = words(promptWords(context, NEWCOMER_WORDS), 3_000 + round);
  const messages = [{ role: "user" as const, content: `Summarise: ${prompt}` }];
  const newcomer = await streamChat(target, {
    messages,
    tokens: Math.min(reading, NEWCOMER_TOKENS),
    client: clients,
    group: "newcomer",
    signal,
  });
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
