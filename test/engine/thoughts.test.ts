/** Thoughts of real models: nothing holds in them, everything behind them, and a budget closes them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ThoughtMarks } from "../../src/contract/answer.ts";
import type { EngineProcess } from "../../src/pool/engine-process.ts";
import { ask, chat, endless, GREEDY, MODELS, startEngine } from "./support.ts";

const MARKS: ThoughtMarks = { open: "<think>", close: "</think>", opened: false, closing: "\nEnough.\n</think>\n\n" };
const OPENED: ThoughtMarks = { ...MARKS, opened: true };
const JSON_ONLY = { gbnf: String.raw`root ::= "{\"colour\": \"" [a-z]{1,12} "\"}"` };
const ANSWER = /^\{"colour": "[a-z]+"\}$/;

describe.each(MODELS)("$label", ({ path, ends, missing }) => {
  describe.skipIf(missing)("thoughts", () => {
    let engine: EngineProcess;
    beforeAll(async () => {
      engine = await startEngine(path);
    });
    afterAll(() => engine.stop());

    const sampling = endless(ends);
    const begun = chat("Which colour is the sky?", "<think>\n");

    test("a budget is kept to the token, then the thought is closed, then the grammar holds", async () => {
      const free = await ask(engine, { text: begun, topLogprobs: 0, sampling });
      for (const budgetTokens of [0, 1, 7, 20]) {
        const { text, reason, reasoningTokens, tokens, completionTokens } = await ask(engine, {
          ...{ text: begun, thought: { ...OPENED, budgetTokens }, constraint: JSON_ONLY, topLogprobs: 0, maxTokens: 200, sampling },
        });
        const [thought, answer] = text.split("\nEnough.\n</think>");
        expect([thought, answer!.trim(), reason]).toEqual([expect.any(String), expect.stringMatching(ANSWER), "stop"]);
        expect(tokens.slice(0, budgetTokens).map(({ token }) => token)).toEqual(
          free.tokens.slice(0, budgetTokens).map(({ token }) => token),
        );
        const closing = reasoningTokens! - budgetTokens;
        expect(closing).toBeGreaterThan(3);
        expect(completionTokens).toBe(tokens.length);
        expect(Buffer.concat(tokens.slice(budgetTokens, reasoningTokens).map(({ bytes }) => bytes)).toString()).toBe(OPENED.closing);
      }
    });

    test("without a grammar, with a lazy one, and in several choices and drafts too", async () => {
      const thought = { ...OPENED, budgetTokens: 5 };
      const lazy = { gbnf: 'root ::= "!"', triggers: [{ text: "zebra" }] };
      for (const constraint of [undefined, lazy]) {
        const { text } = await ask(engine, { text: begun, thought, ...(constraint && { constraint }), maxTokens: 40, sampling });
        expect(text).toContain(OPENED.closing);
      }
      const events = engine.generate(
        {
          ...{
            prompt: { segments: [{ text: begun, parseSpecial: true }] },
            choices: 3,
            stop: [],
            sampling: { ...sampling, temperature: 1 },
          },
          ...{ thought, constraint: JSON_ONLY, maxTokens: 100 },
        },
        new AbortController().signal,
      );
      const texts = ["", "", ""];
      for await (const event of events) if (event.type === "text") texts[event.choice] += event.text;
      for (const text of texts) expect(text.split("</think>")[1]!.trim()).toMatch(ANSWER);
    });

    test("a thought that the model may open or not: then JSON, and nothing else", async () => {
      // Whatever these models think of it: with a question that makes them write the mark, and one that does not.
      for (const text of ["<think>yes</think>\n<think>no</think>\n<think>so</think>\n", chat("Give me JSON.")]) {
        const thought = { ...MARKS, budgetTokens: 10 };
        const answer = await ask(engine, { text, thought, constraint: JSON_ONLY, maxTokens: 200 });
        const [behind, ...others] = answer.text.split("</think>").reverse();
        expect(behind!.trim()).toMatch(ANSWER);
        expect(others.length > 0).toBe(answer.reasoningTokens! > 0);
        expect(answer.text.startsWith("<think>")).toBe(others.length > 0);
      }
    });

    test("T49 the model's own end in a thought ends the answer, unless a text is promised behind it: then it ends the thought", async () => {
      const sampling = { ...GREEDY, logitBias: [[ends[1]!, 1000] as const] };
      const free = await ask(engine, { text: begun, thought: OPENED, sampling });
      expect(free).toMatchObject({ text: "", reason: "stop", completionTokens: 0, reasoningTokens: 0 });
      const promised = await ask(engine, { text: begun, thought: OPENED, constraint: JSON_ONLY, sampling });
      expect(promised).toMatchObject({ text: expect.stringContaining(OPENED.closing), reason: "stop" });
      expect(promised.text.split("</think>")[1]!.trim()).toMatch(ANSWER);
      // Behind it and before it the grammar has the say.
      const said = await ask(engine, { text: begun, thought: { ...OPENED, budgetTokens: 0 }, constraint: JSON_ONLY, sampling });
      expect(said.text.split("</think>")[1]!.trim()).toMatch(ANSWER);
      const unopened = await ask(engine, { text: chat("Hi"), thought: MARKS, constraint: JSON_ONLY, sampling });
      expect(unopened.text.split("</think>").at(-1)!.trim()).toMatch(ANSWER);
    });

    test("a token that closes it and goes on wrongly is drawn again, from all others", async () => {
      // The thought ends with a word's last letters, so some token holds them and what the grammar refuses.
      const thought = { ...OPENED, close: "e", closing: "e" };
      const constraint = { gbnf: 'root ::= "{}"' };
      for (let seed = 0; seed < 6; seed++) {
        const { text, reason } = await ask(engine, {
          text: begun,
          thought,
          constraint,
          maxTokens: 400,
          sampling: { ...sampling, temperature: 1, seed },
        });
        expect(text).toMatch(/^[^e]*e\s*\{\}$/);
        expect(reason).toBe("stop");
      }
    });

    test("T17 a stop string in a thought ends nothing, one behind it ends the answer", async () => {
      const thought = { ...OPENED, budgetTokens: 12 };
      const whole = await ask(engine, { text: begun, thought, sampling, maxTokens: 30 });
      const behind = whole.text.slice(whole.text.indexOf("</think>") + "</think>".length);
      expect(behind.trim().length).toBeGreaterThan(3);
      const within = ["Enough", "think", "</think>", "\n\n", ".\n</", whole.text.trim().slice(0, 3)].filter(
        (stop) => !behind.trimStart().includes(stop),
      );
      expect(within.length).toBeGreaterThan(1);
      expect((await ask(engine, { text: begun, thought, sampling, maxTokens: 30, stop: within })).text).toBe(whole.text);
      const stop = behind.trim().slice(1, 3);
      const cut = await ask(engine, { text: begun, thought, sampling, maxTokens: 30, stop: [stop] });
      const at = whole.text.indexOf("</think>") + "</think>".length + behind.indexOf(stop, behind.search(/\S/));
      expect(cut).toMatchObject({ text: whole.text.slice(0, at), reason: "stop", stopSequence: stop });
    });

    test("T17 a stop string in JSON ends it", async () => {
      const answer = await ask(engine, { text: begun, thought: { ...OPENED, budgetTokens: 0 }, constraint: JSON_ONLY, stop: ['": '] });
      expect(answer).toMatchObject({ reason: "stop", stopSequence: '": ', text: expect.stringMatching(/<\/think>\s+\{"colour$/) });
    });

    test("who is not known to think says nothing of thoughts", async () => {
      expect((await ask(engine, { text: begun })).reasoningTokens).toBeUndefined();
      expect((await ask(engine, { text: chat("Hi"), thought: { ...MARKS, open: "<none>" } })).reasoningTokens).toBe(0);
    });
  });
});
