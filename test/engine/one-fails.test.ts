/** What one request costs the others: its failure ends it alone, and its grammars are freed however it ends. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { AnswerSources } from "../../src/engine/answer-source.ts";
import { Choice } from "../../src/engine/choice.ts";
import type { EngineEvent, GenerateMessage } from "../../src/engine/ipc.ts";
import { EngineLoop } from "../../src/engine/loop.ts";
import { LlamaContext } from "../../src/llama/context.ts";
import { Grammar } from "../../src/llama/grammar.ts";
import { LlamaModel } from "../../src/llama/model.ts";
import { TINY } from "../support/server.ts";
import { chat, endless, GREEDY } from "./support.ts";

const SLOTS = 2;
let model: LlamaModel;
const contexts: LlamaContext[] = [];
beforeAll(() => {
  model = LlamaModel.load(TINY, "shimmy-tiny");
});
afterAll(() => {
  for (const context of contexts) context.free();
});
afterEach(() => vi.restoreAllMocks());

/** A loop, and what it has told of each request. */
function engine() {
  const told = new Map<number, EngineEvent[]>();
  const context = LlamaContext.create(model, "shimmy-tiny", {
    ...{ cells: 1024, sequences: SLOTS, unified: false, threads: 1, batchTokens: 128, kvType: "f16", flashAttention: "auto" },
  });
  contexts.push(context);
  const options = { contextTokens: 512, storeTokens: 0, stepMs: 100, queueMs: 0, fixedThreads: true };
  const loop = new EngineLoop(model, context, options, ({ events }) => {
    for (const event of events) told.set(event.id, [...(told.get(event.id) ?? []), event]);
  });
  const ask = (id: number, message: Partial<GenerateMessage> = {}) =>
    loop.generate({
      ...{ type: "generate", id, choices: 1, stop: [], maxTokens: 20, sampling: endless([2038, 2040]) },
      ...{ prompt: { segments: [{ text: chat("Hello"), parseSpecial: true }] } },
      ...message,
    });
  const textOf = (id: number) =>
    (told.get(id) ?? []).map((item) => ("event" in item && item.event.type === "text" ? item.event.text : "")).join("");
  const over = (id: number, choices = 1) => {
    const ends = (told.get(id) ?? []).filter((item) => "error" in item || item.event.type === "finished");
    return ends.some((item) => "error" in item) || ends.length === choices;
  };
  return { loop, told, ask, textOf, over };
}

test("an answer that cannot go on fails, with its other choices; those beside it and those who wait do not notice", async () => {
  const alone = engine();
  alone.ask(1);
  await vi.waitUntil(() => alone.over(1), { timeout: 20_000 });

  const { step } = Choice.prototype;
  const drawn = new Map<string, number>();
  vi.spyOn(Choice.prototype, "step").mockImplementation(function (this: Choice, ...args) {
    const key = `${this.id} ${this.choice}`;
    drawn.set(key, (drawn.get(key) ?? 0) + 1);
    if (key === "2 1" && drawn.get(key) === 4) throw new Error("made for this test");
    return step.apply(this, args);
  });
  const { ask, told, textOf, over } = engine();
  ask(1);
  ask(2, { choices: 3 });
  ask(3);
  await vi.waitUntil(() => over(1) && over(2, 3) && over(3), { timeout: 20_000 });
  expect(told.get(2)!.at(-1)).toEqual({ id: 2, error: { code: "internal", details: {} } });
  expect([textOf(1), textOf(3)]).toEqual([alone.textOf(1), alone.textOf(1)]);
  ask(4);
  await vi.waitUntil(() => over(4), { timeout: 20_000 });
  expect(textOf(4)).toBe(alone.textOf(1));
});

test("a request that cannot be taken up as a whole leaves nothing behind", async () => {
  const { ask, told, over } = engine();
  let made = 0;
  const { next } = AnswerSources.prototype;
  vi.spyOn(AnswerSources.prototype, "next").mockImplementation(function (this: AnswerSources, sampler) {
    if (++made === 3) throw new Error("made for this test");
    return next.call(this, sampler);
  });
  ask(1, { choices: 4 });
  expect(told.get(1)).toEqual([{ id: 1, error: { code: "internal", details: {} } }]);
  ask(2);
  await vi.waitUntil(() => over(2), { timeout: 20_000 });
  expect(told.get(1)).toHaveLength(1);
});

test("who waits in the queue holds no copy of a grammar, and none outlives its answer, whether that ends or is aborted", async () => {
  let [alive, most] = [0, 0];
  const count = (by: number) => {
    alive += by;
    most = Math.max(most, alive);
  };
  const { compile } = Grammar;
  const { clone, free } = Grammar.prototype;
  vi.spyOn(Grammar, "compile").mockImplementation((...args) => {
    count(1);
    return compile.apply(Grammar, args);
  });
  vi.spyOn(Grammar.prototype, "clone").mockImplementation(function (this: Grammar) {
    count(1);
    return clone.apply(this);
  });
  vi.spyOn(Grammar.prototype, "free").mockImplementation(function (this: Grammar) {
    count(-1);
    free.apply(this);
  });
  const gbnf = 'root ::= "{\\"a\\": " [0-9]{1,30} "}"';
  const { loop, ask, over } = engine();
  const requests = [
    { constraint: { gbnf } },
    { constraint: { gbnf, triggers: [{ text: "a" }, { text: "e" }] } },
    { constraint: { gbnf, triggers: [{ text: " " }], once: true } },
    { constraint: { gbnf }, thought: { open: "<think>", close: "</think>", opened: true, budgetTokens: 3, closing: "</think>" } },
    { constraint: { gbnf }, maxTokens: 0 },
  ];
  const ids = requests.map((_, i) => i + 1);
  for (const [i, request] of requests.entries()) ask(ids[i]!, { choices: 8, sampling: { ...GREEDY, temperature: 1 }, ...request });
  for (const id of [101, 102, 103]) ask(id, { choices: 8, constraint: { gbnf } });
  await vi.waitUntil(() => over(1, 8), { timeout: 20_000 });
  loop.abort(101);
  await vi.waitUntil(() => over(4, 8), { timeout: 20_000 });
  loop.abort(102);
  loop.abort(103);
  await vi.waitUntil(() => ids.every((id) => over(id, 8)), { timeout: 20_000 });
  expect(alive).toBe(0);
  // One for each request, and where one runs its own, the one that it goes on by, and a trial.
  expect(most).toBeLessThanOrEqual(requests.length + 3 + 3 * SLOTS);
});
