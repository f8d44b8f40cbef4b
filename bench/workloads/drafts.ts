/**
 * What speculation costs where it gains nothing: plain stories, 1 client, every other request with drafts turned off for it. Within one
 * server, because two processes of the same program differ by more (up to 8 % here) than what is to be seen.
 */
import { type RequestRecord, streamChat } from "../../src/bench/measure/client.ts";
import { commonFigures, type Figure } from "../../src/bench/measure/figures.ts";
import { DECODE_TOKENS, decodePrompt } from "../../src/bench/workloads/decode.ts";
import { concurrently, type Workload } from "../../src/bench/workloads/workload.ts";

const PAIRS = 24;
/** llama-server's word for it, and ours. */
const OFF = { "speculative.n_max": 0 };

export const draftsOfPlainText: Workload = {
  name: "drafts",
  summary: "plain text, 1 client, every other request with speculation turned off: what it costs where it gains nothing",
  clients: [1],
  fixedClients: true,
  mayBundle: true,
  run({ target, clients, round, requests = PAIRS, signal }) {
    return concurrently(clients, async (client) => {
      const records: RequestRecord[] = [];
      for (let pair = 0; pair < requests && !signal.aborted; pair++) {
        // Neither is always the first of the two.
        for (const off of pair % 2 === 0 ? [false, true] : [true, false]) {
          const messages = [{ role: "user" as const, content: decodePrompt(round, client + 50, 2 * pair + Number(off)) }];
          const group = off ? "off" : "on";
          records.push(await streamChat(target, { messages, tokens: DECODE_TOKENS, client, group, signal, ...(off && { extra: OFF }) }));
        }
      }
      return records;
    });
  },
  figures,
};

function figures(records: readonly RequestRecord[]): Figure[] {
  const speeds = (group: string) => records.filter((record) => record.group === group).map(decodeSpeed);
  const [throughput, ttft] = commonFigures(records);
  return [
    throughput!,
    ttft!,
    { name: "speed with drafts", unit: "", better: "higher", value: middle(speeds("on")) / middle(speeds("off")) },
  ];
}

/** Mean of the middle half: single requests differ by a fifth. */
function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const kept = sorted.slice(Math.floor(sorted.length / 4), Math.ceil((3 * sorted.length) / 4));
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/** Tokens a second after the first. */
function decodeSpeed({ chunkMs, endMs, usage }: RequestRecord): number {
  return ((usage?.completionTokens ?? 0) - 1) / ((endMs - chunkMs[0]!) / 1000);
}
