/** T21–T23: seeds, several choices, and that every sampling parameter does what it says. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestServer } from "../support/server.ts";
import { ask, chatText, MODELS, SHIMMY_TINY, startBoth, streamedChat, vocabulary, wholeChat } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startBoth();
});
afterAll(() => server.stop());

const story = { model: SHIMMY_TINY.id, messages: ask("Tell me a short story about a fox."), max_tokens: 24 };
const texts = async (body: object) => (await wholeChat(server, body)).choices.map(({ message }) => message.content!);
const text = async (body: object) => (await texts(body))[0]!;

for (const { label, id: model, missing } of MODELS)
  describe.skipIf(missing)(label, () => {
    const request = { ...story, model, max_tokens: 12 };

    test("T21 temperature 0 takes the likeliest token each time, whatever the seed", async () => {
      const { message, logprobs } = (await wholeChat(server, { ...request, temperature: 0, logprobs: true, top_logprobs: 2 })).choices[0]!;
      for (const { token, top_logprobs } of logprobs!.content!) expect(token).toBe(top_logprobs[0]!.token);
      expect(await text({ ...request, temperature: 0, seed: 5 })).toBe(message.content);
    });

    test("T21 the same seed gives the same text, first and later, streamed and not", async () => {
      const seeded = { ...request, temperature: 1, seed: 42 };
      const first = await text(seeded);
      await text({ ...request, messages: ask("Something else."), temperature: 1 });
      expect(await text(seeded)).toBe(first);
      expect(chatText(await streamedChat(server, seeded))).toBe(first);
    });

    test("T21 different seeds, and none at all, give different texts", async () => {
      const hot = { ...request, temperature: 1.2 };
      const seeded = [await text({ ...hot, seed: 1 }), await text({ ...hot, seed: 2 }), await text({ ...hot, seed: 3 })];
      expect(new Set(seeded).size).toBeGreaterThan(1);
      const drawn = [await text(hot), await text(hot), await text(hot)];
      expect(new Set(drawn).size).toBeGreaterThan(1);
    });
  });

test("T21 seeds of any size and sign are taken", async () => {
  const hot = { ...story, temperature: 1 };
  for (const seed of [0, -7, 2 ** 31, 2 ** 32 + 5, 2 ** 63]) expect(await text({ ...hot, seed })).toBe(await text({ ...hot, seed }));
  expect(await text({ ...hot, seed: 2 ** 32 + 5 })).toBe(await text({ ...hot, seed: 5 }));
});

test("T21 the choices of one request sample with seeds of their own: seed, seed + 1, …", async () => {
  const hot = { ...story, temperature: 1 };
  const together = await texts({ ...hot, n: 3, seed: 7 });
  expect(new Set(together).size).toBe(3);
  expect(together).toEqual([await text({ ...hot, seed: 7 }), await text({ ...hot, seed: 8 }), await text({ ...hot, seed: 9 })]);
});

describe("T22 three choices", () => {
  const three = { ...story, n: 3, temperature: 1, seed: 7 };

  test("come whole, with their index, and one usage: the prompt once, the tokens of all", async () => {
    const { choices, usage } = await wholeChat(server, { ...three, logprobs: true });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const tokens = choices.map(({ logprobs }) => logprobs!.content!.length);
    expect(usage!.completion_tokens).toBe(tokens.reduce((sum, n) => sum + n));
    expect(usage!.prompt_tokens).toBe((await wholeChat(server, { ...three, n: 1 })).usage!.prompt_tokens);
  });

  test("come streamed side by side: each with a role, its text and one end", async () => {
    const chunks = await streamedChat(server, { ...three, stream_options: { include_usage: true } });
    expect(chunks.pop()!.usage).toEqual((await wholeChat(server, three)).usage);
    const choices = chunks.flatMap(({ choices }) => choices);
    const expected = await texts(three);
    for (const index of [0, 1, 2]) {
      const own = choices.filter((choice) => choice.index === index);
      expect(own.map(({ delta }) => delta.role ?? "")).toEqual(["assistant", ...own.slice(1).map(() => "")]);
      expect(own.map(({ finish_reason }) => finish_reason !== null)).toEqual([...own.slice(1).map(() => false), true]);
      expect(chatText(chunks, index)).toBe(expected[index]);
    }
    // Side by side: the second begins before the first has ended.
    const order = choices.map(({ index }) => index);
    expect(order.indexOf(1)).toBeLessThan(order.lastIndexOf(0));
  });
});

describe("T23", () => {
  const greedy = { ...story, temperature: 0 };
  const hot = { ...story, temperature: 1.5, top_k: 0, top_p: 1, min_p: 0, seed: 11 };

  test("logit_bias −100 bans a token and 100 forces one", async () => {
    const { id } = await vocabulary(SHIMMY_TINY.path);
    expect(await text(greedy)).toContain(" tiny");
    expect(await text({ ...greedy, logit_bias: { [id("Ġtiny")]: -100 } })).not.toContain(" tiny");
    expect(await text({ ...greedy, max_tokens: 3, logit_bias: { [id("Ġtiny")]: 100 } })).toBe(" tiny tiny tiny");
  });

  test("a small logit_bias changes the odds and no more", async () => {
    const { id } = await vocabulary(SHIMMY_TINY.path);
    expect(await text({ ...greedy, logit_bias: { [id("Ġtiny")]: 0.01 } })).toBe(await text(greedy));
    expect(await text({ ...greedy, logit_bias: {} })).toBe(await text(greedy));
  });

  test.each([{ frequency_penalty: 2 }, { presence_penalty: 2 }, { repeat_penalty: 2 }, { repetition_penalty: 2 }])(
    "%j makes repetition rarer",
    async (penalty) => {
      const repeats = (text: string) => text.split(" ").length - new Set(text.split(" ")).size;
      const long = { ...greedy, max_tokens: 100 };
      expect(repeats(await text({ ...long, ...penalty }))).toBeLessThan(repeats(await text(long)));
    },
  );

  test("repeat_last_n 0 turns the penalties off", async () => {
    const long = { ...greedy, max_tokens: 100 };
    expect(await text({ ...long, frequency_penalty: 2, repeat_last_n: 0 })).toBe(await text(long));
    expect(await text({ ...long, frequency_penalty: 2, repeat_last_n: -1 })).not.toBe(await text(long));
  });

  test.each([{ top_k: 1 }, { top_p: 0.01 }, { min_p: 1 }])("%j leaves only the likeliest token, however hot", async (cut) => {
    expect(await text(hot)).not.toBe(await text(greedy));
    expect(await text({ ...hot, ...cut })).toBe(await text(greedy));
  });

  test.each([{ typical_p: 0.2 }, { mirostat: 1 }, { mirostat: 2 }, { mirostat: 2, mirostat_tau: 1 }, { temperature: 0.5 }])(
    "%j changes what the same seed draws, and draws it again",
    async (change) => {
      const changed = await text({ ...hot, ...change });
      expect(changed).not.toBe(await text(hot));
      expect(await text({ ...hot, ...change })).toBe(changed);
    },
  );

  test("a neighbour's parameters touch nobody else", async () => {
    const { id } = await vocabulary(SHIMMY_TINY.path);
    const alone = [await text(greedy), await text({ ...hot, seed: 3 }), await text({ ...greedy, stop: "fox" })];
    const biased = { ...greedy, logit_bias: { [id("Ġtiny")]: 100 }, frequency_penalty: -2 };
    const together = await Promise.all([
      text(greedy),
      text({ ...hot, seed: 3 }),
      text({ ...greedy, stop: "fox" }),
      text(biased),
      text(biased),
    ]);
    expect(together.slice(0, 3)).toEqual(alone);
  });
});
