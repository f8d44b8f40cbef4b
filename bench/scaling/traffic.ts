/** Clients that hold conversations, each asking again as soon as it is answered, until they are told to stop. Used by scene.ts. */
import type { Message } from "../../src/bench/measure/client.ts";
import { ask, type Outcome } from "./request.ts";

export interface TrafficOptions {
  /** Client i asks the i-th of them. */
  readonly urls: readonly string[];
  readonly clients: number;
  readonly tokens: number;
}

export interface Traffic {
  /** In the order of their ends. */
  readonly outcomes: readonly Outcome[];
  /** Resolves when so many more have ended. */
  more(count: number): Promise<void>;
  /** Nobody asks again; resolves when all have their answers. */
  stop(): Promise<readonly Outcome[]>;
}

const TURNS = 5;
let sessions = 0;

export function traffic({ urls, clients, tokens }: TrafficOptions): Traffic {
  const outcomes: Outcome[] = [];
  let going = true;
  const client = async (_: unknown, index: number) => {
    while (going) {
      const session = `session ${sessions++}`;
      const messages: Message[] = [{ role: "system", content: `You speak for ${session}. ${INSTRUCTIONS}` }];
      for (let turn = 0; turn < TURNS && going; turn++) {
        messages.push({ role: "user", content: `Question ${turn} of ${session}: what happened next, and why?` });
        const outcome = await ask({ url: urls[index % urls.length]!, session, messages, tokens, streamed: (index + turn) % 2 === 0 });
        outcomes.push(outcome);
        messages.push({ role: "assistant", content: outcome.text });
        // A person would not ask a dead server a thousand times a second.
        if (outcome.ending === "lost") await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    outcomes,
    more: async (count) => {
      for (const until = outcomes.length + count; outcomes.length < until; ) await new Promise((resolve) => setTimeout(resolve, 10));
    },
    stop: async () => {
      going = false;
      await all;
      return outcomes;
    },
  };
}

/** Some two hundred tokens that every session has in common with itself only: its name stands before them. */
const INSTRUCTIONS = [
  "You tell old stories to children in short and plain sentences.",
  "You never hurry, and you never leave out who was there and what the weather was like.",
  "When somebody asks why, you give the reason that the people of the story would have given.",
  "You do not make up names that were not told before, and you keep to the order in which things happened.",
  "If a question has no answer in the story you say so, and you ask what the listener thinks.",
].join(" ");
