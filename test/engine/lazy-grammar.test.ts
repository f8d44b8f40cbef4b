/** Lazy grammars with real models: free text, a trigger however it was cut into tokens, then nothing but the grammar. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EngineConstraint } from "../../src/contract/answer.ts";
import type { EngineProcess } from "../../src/pool/engine-process.ts";
import { TINY } from "../support/server.ts";
import { ask, chat, endless, GREEDY, MODELS, startEngine } from "./support.ts";

const CALL = String.raw`root ::= "\n{\"name\": \"" ("add" | "subtract") "\", \"arguments\": {\"a\": " num ", \"b\": " num "}}\n</tool_call>"
num ::= "-"? [1-9] [0-9]{0,3}`;
const WHOLE = /^\n\{"name": "(add|subtract)", "arguments": \{"a": -?\d+, "b": -?\d+\}\}\n<\/tool_call>/;
/** Shimmy Tiny's token of this text. */
const TINY_TOOL_CALL = 2044;
const triggers = [{ text: "<tool_call>" }];
const lazy: EngineConstraint = { gbnf: CALL, triggers };

describe.each(MODELS)("$label", ({ path, ends, missing }) => {
  describe.skipIf(missing)("a call", () => {
    /** What makes the model write a call: a pattern to go on, or else its token for the mark, made likelier. */
    const CALLING = {
      text: "<tool_call>red</tool_call> and <tool_call>blue</tool_call> and <tool_call>green</tool_call> and ",
      sampling: { ...GREEDY, ...(path === TINY && { logitBias: [[TINY_TOOL_CALL, 20] as const] }) },
    };

    let engine: EngineProcess;
    beforeAll(async () => {
      engine = await startEngine(path);
    });
    afterAll(() => engine.stop());

    test("is written by the grammar, whatever the model would have written", async () => {
      const free = await ask(engine, { ...CALLING });
      expect(free.text).toContain("<tool_call>");
      const { text, reason } = await ask(engine, { ...CALLING, constraint: { ...lazy, once: true }, maxTokens: 200 });
      const [before, ...calls] = text.split("<tool_call>");
      expect(free.text.startsWith(before!)).toBe(true);
      expect(calls).toHaveLength(1);
      expect(calls[0]).toMatch(new RegExp(`${WHOLE.source}$`));
      expect(reason).toBe("stop");
    });

    test("comes again and again, with free text between", async () => {
      const constraint = { gbnf: 'root ::= " [" ("red" | "blue") "]"', triggers: [{ text: "the" }] };
      const question = {
        text: "The fox and the hen went to the",
        maxTokens: 200,
        sampling: { ...endless(ends), temperature: 0.7, seed: 3 },
      };
      const { text } = await ask(engine, { ...question, constraint });
      const [, ...behind] = text.split("the");
      expect(behind.length).toBeGreaterThan(2);
      for (const each of behind.slice(0, -1)) expect(each).toMatch(/^ \[(red|blue)\]/);
      expect(behind.some((each) => /\] \w/.test(each))).toBe(true);
    });

    test("holds at high temperatures, with penalties and mirostat too", async () => {
      const drawn = { ...CALLING.sampling, temperature: 1 };
      for (const sampling of [drawn, { ...drawn, repeatPenalty: 1.3, frequencyPenalty: 1 }, { ...drawn, mirostat: 2 as const }]) {
        for (let seed = 0; seed < 2; seed++) {
          const { text, reason } = await ask(engine, {
            ...CALLING,
            ...{ constraint: { ...lazy, once: true }, sampling: { ...sampling, seed }, maxTokens: 60 },
          });
          const [, ...calls] = text.split("<tool_call>");
          if (reason === "stop") for (const call of calls) expect(call).toMatch(WHOLE);
        }
      }
    });

    test("without a trigger is no call: the text is the one without a grammar", async () => {
      const text = chat("Tell me about the sea.");
      const free = await ask(engine, { text });
      expect(await ask(engine, { text, constraint: lazy })).toEqual({ ...free, cachedTokens: expect.any(Number) });
    });

    test("a token that ends a trigger and goes on as the grammar does not is drawn again", async () => {
      // Every text begins with a letter, and the grammar behind it wants a digit that no token brings along.
      const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"];
      const constraint = { gbnf: 'root ::= "7" [0-9]', triggers: letters.map((text) => ({ text, atStart: true })), once: true };
      for (let seed = 0; seed < 8; seed++) {
        const { text, reason } = await ask(engine, { text: chat("Hello"), constraint, sampling: { ...GREEDY, temperature: 1, seed } });
        if (/^\s*[a-z]/i.test(text)) expect([text, reason]).toEqual([expect.stringMatching(/^\s*[A-Za-z]7\d$/), "stop"]);
      }
    });

    test("cut short ends with length", async () => {
      const { text, reason } = await ask(engine, { ...CALLING, constraint: lazy, maxTokens: 12 });
      expect([text.includes("</tool_call>"), reason]).toEqual([false, "length"]);
    });

    test("T17 a stop string in it ends nothing, one before and behind it ends the answer", async () => {
      const whole = await ask(engine, { ...CALLING, constraint: { ...lazy, once: true }, maxTokens: 200 });
      const stop = ["name", "arguments", "}"];
      expect((await ask(engine, { ...CALLING, constraint: { ...lazy, once: true }, maxTokens: 200, stop })).text).toBe(whole.text);
      const [before] = whole.text.split("<tool_call>");
      const cut = await ask(engine, { ...CALLING, constraint: lazy, maxTokens: 200, stop: ["_call>"] });
      expect(cut).toMatchObject({ text: `${before}<tool`, reason: "stop", stopSequence: "_call>" });
      const behind = await ask(engine, { ...CALLING, constraint: lazy, maxTokens: 250, stop: ["</tool_call>", " and", "an", "\n", "<"] });
      if (behind.text.includes("<tool_call>")) expect(behind.text).toMatch(WHOLE);
    });

    test("log probabilities are told for each of its tokens", async () => {
      const { tokens, text, completionTokens } = await ask(engine, { ...CALLING, constraint: lazy, topLogprobs: 1, maxTokens: 80 });
      expect(tokens).toHaveLength(completionTokens);
      expect(Buffer.concat(tokens.map(({ bytes }) => bytes)).toString()).toBe(text);
    });
  });
});

describe("markers", () => {
  const [tiny] = MODELS;
  let engine: EngineProcess;
  beforeAll(async () => {
    engine = await startEngine(tiny!.path);
  });
  afterAll(() => engine.stop());

  const gbnf = 'root ::= ("<|fim_prefix|>" | "<|fim_suffix|>") [a-z] [a-z] "<|fim_middle|>" "!"';
  const ids = { prefix: 2041, suffix: 2042, middle: 2043 };
  const only = (token: number) => ({ ...GREEDY, logitBias: [[token, 1000] as const] });

  test("a control token that is one is text; all others are not", async () => {
    const question = { text: "The fox", sampling: only(ids.prefix), maxTokens: 3 };
    expect((await ask(engine, { ...question, markers: ["<|fim_prefix|>"] })).text).toBe("<|fim_prefix|>".repeat(3));
    expect(await ask(engine, { ...question, markers: ["<|fim_suffix|>", "no token"] })).toMatchObject({ text: "", completionTokens: 3 });
  });

  test("a grammar is given the control tokens, not their names in letters", async () => {
    const markers = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];
    for (let seed = 0; seed < 10; seed++) {
      const question = {
        text: "The fox <",
        constraint: { gbnf },
        topLogprobs: 0,
        sampling: { ...GREEDY, temperature: 1.5, topK: 0, seed },
      };
      const { text, tokens } = await ask(engine, { ...question, markers });
      expect(text).toMatch(/^<\|fim_(prefix|suffix)\|>[a-z][a-z]<\|fim_middle\|>!$/);
      const used = tokens.map(({ token }) => token);
      expect([ids.prefix, ids.suffix]).toContain(used[0]);
      expect(used.at(-2)).toBe(ids.middle);
      // Without markers the reader would see nothing of a control token, so letters it is.
      const spelled = await ask(engine, question);
      expect(spelled.text).toMatch(/^<\|fim_(prefix|suffix)\|>[a-z][a-z]<\|fim_middle\|>!$/);
      expect(spelled.tokens.length).toBeGreaterThan(6);
    }
  });

  test("what only begins like one is text", async () => {
    const constraint = { gbnf: 'root ::= "<" ("a" | "|fim_prefix|>")' };
    const question = { text: "The", constraint, sampling: { ...GREEDY, logitBias: [[ids.prefix, -100] as const] } };
    expect((await ask(engine, { ...question, markers: ["<|fim_prefix|>"] })).text).toMatch(/^<(a|\|fim_prefix\|>)$/);
  });

  test("one may be the trigger, whether it is listed or not", async () => {
    const constraint = { gbnf: 'root ::= "x" [0-9]', triggers: [{ text: "<|fim_prefix|>" }], once: true };
    expect((await ask(engine, { text: "The", constraint, sampling: only(ids.prefix) })).text).toMatch(/^<\|fim_prefix\|>x\d$/);
  });
});
