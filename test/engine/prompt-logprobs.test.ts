/** Log probabilities of the tokens of a prompt: those that teacher forcing gives, token by token. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EngineProcess } from "../../src/pool/engine-process.ts";
import { ask, GREEDY, MODELS, startEngine } from "./support.ts";

const TEXT = "The fox and the hen went to the red barn. One day it rained, and the hen said: come in, there is room for two of us.";

describe.each(MODELS)("$label", ({ path, missing }) => {
  describe.skipIf(missing)("a prompt", () => {
    let engine: EngineProcess;
    beforeAll(async () => {
      engine = await startEngine(path);
    });
    afterAll(() => engine.stop());

    const asked = { text: TEXT, topLogprobs: 3, promptLogprobs: true };

    test("has those of teacher forcing", async () => {
      const { prompt } = await ask(engine, { ...asked, maxTokens: 1 });
      expect(Buffer.concat(prompt!.map(({ bytes }) => bytes)).toString()).toBe(TEXT);
      expect(prompt![0]).toMatchObject({ logprob: Number.NaN, top: [] });
      for (const at of [1, 2, 3, 9, 17, prompt!.length - 1]) {
        const tokens = prompt!.slice(0, at).map(({ token }) => token);
        const { token, logprob, top } = prompt![at]!;
        const forced = await ask(engine, { prompt: { tokens }, topLogprobs: 20, maxTokens: 1 });
        const [likeliest] = forced.tokens;
        expect(likeliest!.top.slice(0, 3).map((each) => each.logprob)).toEqual(top.map((each) => expect.closeTo(each.logprob, 1)));
        const same = likeliest!.top.find((each) => each.token === token);
        if (same) expect(same.logprob).toBeCloseTo(logprob, 1);
        else expect(logprob).toBeLessThan(likeliest!.top.at(-1)!.logprob + 0.1);
      }
    });

    test("comes before the first text, and alone where no text is wanted, whatever the cache holds", async () => {
      const first = await ask(engine, { ...asked, maxTokens: 5 });
      expect(first.kinds.slice(0, 3)).toEqual(["started", "prompt", "text"]);
      const none = await ask(engine, { ...asked, maxTokens: 0 });
      expect(none.kinds).toEqual(["started", "prompt", "finished"]);
      expect([none.cachedTokens, none.reason, none.completionTokens]).toEqual([0, "length", 0]);
      expect(none.prompt!.map(({ token }) => token)).toEqual(first.prompt!.map(({ token }) => token));
      for (const [i, { logprob }] of none.prompt!.slice(1).entries()) expect(logprob).toBeCloseTo(first.prompt![i + 1]!.logprob, 2);
      expect((await ask(engine, { text: TEXT, maxTokens: 1 })).cachedTokens).toBeGreaterThan(10);
    });

    test("of several choices each has its own, a prompt of one token too", async () => {
      const message = {
        ...{ prompt: { segments: [{ text: TEXT, parseSpecial: true }] }, choices: 3, stop: [], maxTokens: 2 },
        ...{ topLogprobs: 0, promptLogprobs: true, sampling: GREEDY },
      };
      const told: number[] = [];
      for await (const event of engine.generate(message, new AbortController().signal))
        if (event.type === "prompt") told.push(event.choice);
      expect(told.sort()).toEqual([0, 1, 2]);
      const { prompt } = await ask(engine, { prompt: { tokens: [300] }, topLogprobs: 1, promptLogprobs: true, maxTokens: 1 });
      expect(prompt).toEqual([{ token: 300, bytes: expect.anything(), logprob: Number.NaN, top: [] }]);
    });

    test("is computed in steps whose logits take little memory, beside others that are not disturbed", async () => {
      const plain = await ask(engine, { text: "The hen" });
      const long = Array.from({ length: 900 }, (_, i) => 300 + ((i * 7919) % 1500));
      const [scored, beside] = await Promise.all([
        ask(engine, { prompt: { tokens: long }, topLogprobs: 0, promptLogprobs: true, maxTokens: 1 }),
        ask(engine, { text: "The hen" }),
      ]);
      expect(beside.text).toBe(plain.text);
      expect(scored.prompt!.map(({ token }) => token)).toEqual(long);
      expect(scored.prompt!.slice(1).every(({ logprob }) => logprob < 0 && Number.isFinite(logprob))).toBe(true);
    }, 120_000);

    test("is not told to who did not ask", async () => {
      expect((await ask(engine, { text: TEXT, topLogprobs: 1 })).prompt).toBeUndefined();
      expect((await ask(engine, { text: TEXT, promptLogprobs: true })).prompt).toBeUndefined();
    });
  });
});
