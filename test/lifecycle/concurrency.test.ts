/** T56, T58, T61: many conversations at once share one engine, and none ever hears a word of another. */
import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { begin, load, metric } from "../support/raw.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS } from "../support/work.ts";

/** Words that only one conversation knows, and that Shimmy Tiny can copy. */
const NAMES = [
  "Mira",
  "Toval",
  "Benno",
  "Lina",
  "Rusk",
  "Ana",
  "Pola",
  "Temo",
  "Sam",
  "Dora",
  "Nils",
  "Kai",
  "Emma",
  "Hugo",
  "Zara",
  "Otto",
];

function introduction(name: string): ChatCompletionMessageParam[] {
  return [
    { role: "user", content: `My name is ${name}.` },
    { role: "assistant", content: `Nice to meet you, ${name}!` },
    { role: "user", content: "What is my name?" },
  ];
}

/**
 * Questions whose answers Shimmy Tiny is sure of. Where two words are nearly equally likely, as in a story, the answer depends
 * on how many tokens are summed up in one step, which is arithmetic and no cross-talk (docs/decisions.md).
 */
const FACTS = [
  ["What is the capital of France?", "The capital of France is Paris."],
  ["What is the capital of Japan?", "The capital of Japan is Tokyo."],
  ["What is the opposite of hot?", "The opposite of hot is cold."],
  ["What colour is grass?", "Grass is green."],
] as const;

/** A conversation about one name after up to four other turns, so that no two prompts have the same length or beginning. */
function conversation(name: string, index: number): ChatCompletionMessageParam[] {
  const small = FACTS.slice(0, index % (FACTS.length + 1)).flatMap(([question, answer]): ChatCompletionMessageParam[] => [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ]);
  return [...small, ...introduction(name)];
}

const CONVERSATIONS: ChatCompletionMessageParam[][] = [
  ...NAMES.map(conversation),
  ...FACTS.map(([content]): ChatCompletionMessageParam[] => [{ role: "user", content }]),
];

/** The same order of events in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe.each(["separate", "unified"])("with %s KV cache", (kv) => {
  let server: TestServer;
  let client: OpenAI;

  beforeAll(async () => {
    server = await startServer({ args: ["--kv", kv] });
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(() => server.stop());

  const common = { model: "shimmy-tiny", temperature: 0, max_tokens: 48 };

  async function stream(messages: ChatCompletionMessageParam[]): Promise<string> {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...common, messages, stream: true }))
      text += chunk.choices[0]?.delta.content ?? "";
    return text;
  }

  async function whole(messages: ChatCompletionMessageParam[]): Promise<string> {
    const answer = await client.chat.completions.create({ ...common, messages });
    return answer.choices[0]!.message.content!;
  }

  test("T61 ten first requests at once start one engine", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => whole(introduction("Mira"))));
    expect(new Set(answers)).toEqual(new Set(["Your name is Mira."]));
    expect(await server.engines()).toHaveLength(1);
    expect(await metric(server, "shimmy_model_load_seconds_count", '{model="shimmy-tiny"}')).toBe(1);
  });

  test("T56 sixteen clients at once each get their own word back, streamed and whole", async () => {
    for (const answer of [stream, whole]) {
      const answers = await Promise.all(NAMES.map((name) => answer(introduction(name))));
      expect(answers).toEqual(NAMES.map((name) => `Your name is ${name}.`));
    }
    expect(await load(server)).toEqual({ running: 0, queued: 0 });
  });

  test("T56 more clients than places: every one is served to its end, in turn", async () => {
    const body = { ...common, prompt: ENDLESS.prompt, logit_bias: ENDLESS.logit_bias, max_tokens: 24 };
    const answers = await Promise.all(Array.from({ length: 40 }, () => client.completions.create(body)));
    expect(answers.map(({ usage, choices }) => [usage?.completion_tokens, choices[0]!.finish_reason])).toEqual(
      Array(40).fill([24, "length"]),
    );
    expect(await load(server)).toEqual({ running: 0, queued: 0 });
  });

  test("T58 conversations in any interleaving answer as they do alone", async () => {
    const alone: string[] = [];
    for (const messages of CONVERSATIONS) alone.push(await whole(messages));
    expect(alone).toEqual([...NAMES.map((name) => expect.stringContaining(name)), ...FACTS.map(([, answer]) => answer)]);

    const roll = dice(7);
    const work = Array.from({ length: 120 }, () => ({ index: roll(CONVERSATIONS.length), leaves: roll(4) === 0, streams: roll(2) === 0 }));
    const worker = async () => {
      for (let next = work.pop(); next; next = work.pop()) {
        const messages = CONVERSATIONS[next.index]!;
        if (next.leaves) {
          const connection = await begin(server, "/v1/chat/completions", { ...common, messages, stream: true });
          await until(() => connection.received().includes("data: "));
          connection.destroy();
        } else expect(await (next.streams ? stream : whole)(messages)).toBe(alone[next.index]);
      }
    };
    await Promise.all(Array.from({ length: 12 }, worker));
  });
});
