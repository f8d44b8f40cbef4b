/** One long system prompt under all clients, as behind any assistant: who computes it once is fast. */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { commonFigures, promptWork } from "../measure/figures.ts";
import { words } from "./words.ts";
import { answerTokens, concurrently, promptWords, SHORT_PROMPT, type Workload } from "./workload.ts";

const SYSTEM_WORDS = 500;
const TOKENS = 48;

export const shared8: Workload = {
  name: "shared8",
  summary: "8 clients, one 500-word system prompt, 48 tokens each",
  clients: [8],
  fixedClients: true,
  run(context) {
    const { target, clients, round, requests = 1, signal } = context;
    const tokens = answerTokens(context, TOKENS);
    const system = { role: "system" as const, content: words(promptWords(context, SYSTEM_WORDS), 1_000 + round) };
    return concurrently(clients, async (client) => {
      const records: RequestRecord[] = [];
      for (let index = 0; index < requests && !signal.aborted; index++) {
        const user = { role: "user" as const, content: `Question ${client * 100 + index}: what is the text about?` };
        records.push(await streamChat(target, { messages: [system, user], tokens, client, signal }));
      }
      return records;
    });
  },
  work: (sizing, clients) => ({
    promptWords: promptWords(sizing, SYSTEM_WORDS) + clients * SHORT_PROMPT,
    tokens: clients * answerTokens(sizing, TOKENS),
  }),
  figures: (records) => [...commonFigures(records), ...promptWork(records)],
};
