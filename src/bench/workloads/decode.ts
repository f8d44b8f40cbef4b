/** Plain decoding: short unrelated prompts, 96 tokens each, every client one request after the other. Also the words the bare loop decodes. */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import {
  answerTokens,
  concurrently,
  countOf,
  SHORT_PROMPT,
  type Sizing,
  type Work,
  type Workload,
  type WorkloadContext,
} from "./workload.ts";

export const DECODE_TOKENS = 96;

/** About 5 to 10 s of work on two cores, and the last wave no shorter than the others. */
export function requestsPerClient(clients: number): number {
  return Math.min(6, Math.max(1, Math.round(16 / clients)));
}

export function decodePrompt(round: number, client: number, index: number): string {
  return `Tell me a story about the number ${round * 10_000 + client * 100 + index} and a llama.`;
}

export function runDecode(context: WorkloadContext): Promise<RequestRecord[]> {
  const { target, clients, round, signal } = context;
  const count = context.requests ?? countOf(context, requestsPerClient(clients));
  const tokens = answerTokens(context, DECODE_TOKENS);
  return concurrently(clients, async (client) => {
    const records: RequestRecord[] = [];
    for (let index = 0; index < count && !signal.aborted; index++) {
      const messages = [{ role: "user" as const, content: decodePrompt(round, client, index) }];
      records.push(await streamChat(target, { messages, tokens, client, signal }));
    }
    return records;
  });
}

export function decodeWork(sizing: Sizing, clients: number): Work {
  const answers = clients * countOf(sizing, requestsPerClient(clients));
  return { promptWords: answers * SHORT_PROMPT, tokens: answers * answerTokens(sizing, DECODE_TOKENS) };
}

export const decode: Workload = {
  name: "decode",
  summary: "short prompts, 96 tokens each, at 1, 4, 8 and 16 clients",
  clients: [1, 4, 8, 16],
  run: runDecode,
  work: decodeWork,
};
