/** A grammar that libllama reads for long: others get their tokens meanwhile, and who leaves leaves nothing behind. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { EngineEvent, GenerateMessage } from "../../src/engine/ipc.ts";
import { EngineLoop } from "../../src/engine/loop.ts";
import { LlamaContext } from "../../src/llama/context.ts";
import { Grammar } from "../../src/llama/grammar.ts";
import { LlamaModel } from "../../src/llama/model.ts";
import { TINY } from "../support/server.ts";
import { chat, endless, GREEDY } from "./support.ts";

/** 2 MB, in rules of their own, of which only the last one is used. */
const LARGE = `root ::= "yes"\n${Array.from({ length: 20_000 }, (_, i) => `r${i} ::= "${String(i).padStart(90, "x")}"`).join("\n")}`;

let model: LlamaModel;
let context: LlamaContext;
let loop: EngineLoop;
const told: EngineEvent[] = [];

beforeAll(() => {
  model = LlamaModel.load(TINY, "shimmy-tiny");
  context = LlamaContext.create(model, "shimmy-tiny", {
    ...{ cells: 4096, sequences: 2, unified: false, threads: 1, batchTokens: 128, kvType: "f16", flashAttention: "auto" },
  });
  const options = { contextTokens: 2048, storeTokens: 0, stepMs: 100, queueMs: 0, fixedThreads: true };
  loop = new EngineLoop(model, context, options, ({ events }) => void told.push(...events));
});
afterAll(() => {
  for (const id of [1, 2, 3, 4, 5]) loop.abort(id);
  context.free();
});

function ask(id: number, message: Partial<GenerateMessage> = {}): void {
  loop.generate({
    ...{ type: "generate", id, choices: 1, stop: [], maxTokens: 1500, sampling: endless([2038, 2040]) },
    ...{ prompt: { segments: [{ text: chat("Hello"), parseSpecial: true }] } },
    ...message,
  });
}

const of = (id: number) => told.filter((event) => event.id === id);
const texts = (id: number) => of(id).flatMap((each) => ("event" in each && each.event.type === "text" ? [each.event.text] : []));

test("an answer goes on while the grammar of another is read, and that one is held by it", async () => {
  ask(1);
  await vi.waitUntil(() => texts(1).length > 20, { timeout: 20_000 });
  const before = texts(1).length;
  ask(2, { constraint: { gbnf: LARGE }, sampling: GREEDY, maxTokens: 20 });
  await vi.waitUntil(() => of(2).length > 0, { timeout: 20_000, interval: 1 });
  expect(texts(1).length - before).toBeGreaterThan(10);
  await vi.waitUntil(() => of(2).some((each) => "event" in each && each.event.type === "finished"), { timeout: 20_000 });
  expect(texts(2).join("")).toBe("yes");
  loop.abort(1);
});

test("whoever leaves while it is read is never answered, and the grammar is freed", async () => {
  const free = vi.spyOn(Grammar.prototype, "free");
  ask(3, { constraint: { gbnf: LARGE } });
  loop.abort(3);
  ask(4, { constraint: { gbnf: LARGE }, maxTokens: 20 });
  await vi.waitUntil(() => of(4).some((each) => "event" in each && each.event.type === "finished"), { timeout: 20_000 });
  const freed = free.mock.calls.length;
  expect(of(3)).toEqual([]);
  ask(5, { constraint: { gbnf: LARGE } });
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  loop.abort(5);
  await vi.waitUntil(() => free.mock.calls.length > freed, { timeout: 20_000 });
  expect(of(5)).toEqual([]);
});

test("twenty of them at once, more than koffi has calls for, are all answered, one after the other", async () => {
  const ids = Array.from({ length: 20 }, (_, i) => 100 + i);
  for (const id of ids) ask(id, { constraint: { gbnf: LARGE }, maxTokens: 20, sampling: GREEDY });
  const isOver = (id: number) => of(id).some((each) => "error" in each || ("event" in each && each.event.type === "finished"));
  await vi.waitUntil(() => ids.every(isOver), { timeout: 20_000 });
  for (const id of ids) expect(texts(id).join("")).toBe("yes");
});
