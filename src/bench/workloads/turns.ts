/**
 * Conversations that grow: 12 of 4 turns, 6 requests at a time. After a turn a conversation goes to the end of the line,
 * so more conversations are alive than there are slots, and every next turn begins with a prefix that was computed before.
 */
import { type Message, type RequestRecord, streamChat } from "../measure/client.ts";
import { commonFigures, promptWork } from "../measure/figures.ts";
import { words } from "./words.ts";
import { answerTokens, concurrently, countOf, type Sizing, type Workload } from "./workload.ts";

const CONVERSATIONS = 12;
const TURNS = 4;
const USER_WORDS = 60;
const TOKENS = 48;

export const turns: Workload = {
  name: "turns",
  summary: "12 conversations of 4 turns, 6 requests at a time, 48 tokens each",
  clients: [6],
  fixedClients: true,
  run(context) {
    const { target, clients, round, signal } = context;
    const { words: said, tokens } = turnOf(context);
    const line = Array.from({ length: countOf(context, CONVERSATIONS) }, (_, id) => ({ id, turn: 0, messages: [] as Message[] }));
    return concurrently(clients, async () => {
      const records: RequestRecord[] = [];
      for (let talk = line.shift(); talk !== undefined && !signal.aborted; talk = line.shift()) {
        const seed = 2_000_000 + round * 1_000 + talk.id * 10 + talk.turn;
        talk.messages.push({ role: "user", content: `Go on: ${words(said, seed)}` });
        const group = `turn ${talk.turn + 1}`;
        const record = await streamChat(target, { messages: talk.messages, tokens, client: talk.id, group, signal });
        records.push(record);
        talk.messages.push({ role: "assistant", content: record.text });
        talk.turn++;
        if (talk.turn < TURNS) line.push(talk);
      }
      return records;
    });
  },
  work(sizing) {
    const answers = countOf(sizing, CONVERSATIONS) * TURNS;
    const { words: said, tokens } = turnOf(sizing);
    return { promptWords: answers * said, tokens: answers * tokens };
  },
  figures: (records) => [...commonFigures(records), ...promptWork(records)],
};

/** A whole conversation has room where one prompt and one answer have. */
function turnOf({ longestPrompt = Number.POSITIVE_INFINITY, longestAnswer = Number.POSITIVE_INFINITY, ...sizing }: Sizing) {
  const inATurn = (all: number) => Math.max(1, Math.floor(all / TURNS));
  return {
    words: Math.min(USER_WORDS, inATurn(longestPrompt)),
    tokens: answerTokens({ ...sizing, longestAnswer: inATurn(longestAnswer) }, TOKENS),
  };
}
