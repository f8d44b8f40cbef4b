/** 64 requests in the same instant, far more than there are slots: all must finish. */
import { type RequestRecord, streamChat } from "../measure/client.ts";
import { commonFigures, type Figure, ms, wallMs } from "../measure/figures.ts";
import { decodePrompt } from "./decode.ts";
import { answerTokens, concurrently, SHORT_PROMPT, type Workload } from "./workload.ts";

const TOKENS = 32;

export const burst: Workload = {
  name: "burst",
  summary: "64 requests at once, 32 tokens each, all must finish",
  clients: [64],
  fixedClients: true,
  run(context) {
    const { target, clients, round, signal } = context;
    const tokens = answerTokens(context, TOKENS);
    return concurrently(clients, async (client) => {
      const messages = [{ role: "user" as const, content: decodePrompt(round, client, 60) }];
      return [await streamChat(target, { messages, tokens, client, signal })];
    });
  },
  work: (sizing, clients) => ({ promptWords: clients * SHORT_PROMPT, tokens: clients * answerTokens(sizing, TOKENS) }),
  figures,
};

function figures(records: readonly RequestRecord[]): Figure[] {
  const finished = records.filter((record) => record.error === undefined).length;
  return [
    { name: "finished", unit: "", better: "higher", value: finished },
    ms("all done after", wallMs(records)),
    ...commonFigures(records),
  ];
}
