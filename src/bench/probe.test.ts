import { afterEach, describe, expect, test } from "vitest";
import { ChatServer, type Manners } from "../../test/support/chat-server.ts";
import type { RequestRecord } from "./measure/client.ts";
import { paceOf, probe } from "./probe.ts";

const record = (more: Partial<RequestRecord>): RequestRecord => ({
  ...{ client: 0, promptHash: "", maxTokens: 16, sentMs: 0, chunkMs: [], endMs: 0, status: 200, text: "" },
  ...more,
});
/** `tokens` pieces, one every `gap` ms after a prompt of `first` ms. */
const answer = (first: number, gap: number, tokens = 16) => {
  const chunkMs = Array.from({ length: tokens }, (_, i) => first + i * gap);
  return record({ chunkMs, endMs: chunkMs.at(-1)!, usage: { promptTokens: 160, completionTokens: tokens } });
};

describe("the pace", () => {
  test("is tokens between the first and the last, and words until the first", () => {
    const pace = paceOf(answer(500, 100), []);
    expect(pace).toEqual({ promptWords: 256, alone: 10, four: 10, tokensAWord: 1.25 });
  });

  test("of four is that of all their tokens, and never below that of one", () => {
    expect(
      paceOf(
        answer(500, 100),
        [1, 2, 3, 4].map(() => answer(500, 100)),
      ).four,
    ).toBeCloseTo(64 / 1.5);
    expect(paceOf(answer(500, 100), [answer(500, 1000)]).four).toBe(10);
  });

  test("of an answer in one piece, or in two, is not taken for endless", () => {
    const usage = { promptTokens: 160, completionTokens: 16 };
    expect(paceOf(record({ chunkMs: [2000], endMs: 2000, usage }), []).alone).toBe(8);
    expect(paceOf(record({ chunkMs: [1000, 2000], endMs: 2000, usage }), []).alone).toBe(8);
  });

  test("counts pieces where no usage is told, and is a number whatever the clock says", () => {
    const { usage: _, ...untold } = answer(500, 100);
    expect(paceOf(untold, [])).toMatchObject({ alone: 10, tokensAWord: 1.5 });
    const still = paceOf(record({ chunkMs: [0, 0], endMs: 0 }), [record({})]);
    for (const value of Object.values(still)) expect(Number.isFinite(value)).toBe(true);
  });
});

describe("of a server that is slow", () => {
  const running: ChatServer[] = [];
  afterEach(() => {
    for (const server of running.splice(0)) server.stop();
  });

  async function probed(manners: Manners, more: { tokens?: number; limits?: { firstMs: number; oneMs: number; wantedMs: number } } = {}) {
    const server = new ChatServer(manners);
    running.push(server);
    const url = await server.start();
    const said: string[] = [];
    const target = { url, modelId: "fake", noEnd: { ignore_eos: true } };
    const options = { seed: 1, signal: new AbortController().signal, say: (line: string) => void said.push(line), ...more };
    const found = await probe({ name: "this", target, elsewhere: false }, options).catch((error: Error) => error);
    return { found, said, asked: server.asked };
  }
  const limits = { firstMs: 20_000, oneMs: 150, wantedMs: 20_000 };

  test("a first answer that is late is waited for, and that is said", async () => {
    const { found, said } = await probed({ pauseMs: 30 }, { limits: { ...limits, oneMs: 200, wantedMs: 9000 }, tokens: 16 });
    expect(found).not.toBeInstanceOf(Error);
    expect(said).toEqual([expect.stringContaining("no answer after 0.2 s; it may be loading")]);
  });

  test("a second one that is late ends it, and says how to go on", async () => {
    const { found } = await probed({ pauseMs: 20 }, { limits });
    expect(found).toMatchObject({ code: "target_too_slow", details: { tokens: 16, seconds: 0.15 } });
    expect((found as { hint?: string }).hint ?? JSON.stringify(found)).toContain("--tokens");
  });

  test("with --tokens it is asked for as few, has longer, and four together are left out where one took long", async () => {
    const { found, asked } = await probed({ pauseMs: 150 }, { limits: { ...limits, wantedMs: 2000 }, tokens: 4 });
    expect(found).toMatchObject({ pace: { tokensAWord: expect.any(Number) } });
    expect(asked.map(({ max_tokens }) => max_tokens)).toEqual([16, 4]);
  });
});
