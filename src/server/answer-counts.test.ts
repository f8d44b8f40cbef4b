/** Tokens and times of an answer, as usage counts them. */
import { expect, test } from "vitest";
import type { GenerationEvent } from "../contract/generation.ts";
import { AnswerCounter } from "./answer-counts.ts";

const text = (choice: number, tokens = 1): GenerationEvent => ({ type: "text", choice, text: "x", tokens });
const started = (promptTokens: number): GenerationEvent => ({ type: "started", promptTokens });
const finished = (choice: number, completionTokens: number, cachedTokens: number, predictedMs = 5): GenerationEvent => ({
  ...{ type: "finished", choice, reason: "stop", completionTokens, cachedTokens },
  timings: { queueMs: 1, promptMs: 2, predictedMs },
});

function counted(perPrompt: number, ...events: GenerationEvent[]) {
  let now = 0;
  const first: number[] = [];
  const counter = new AnswerCounter(
    0,
    perPrompt,
    (ms) => first.push(ms),
    () => ++now,
  );
  for (const event of events) counter.add(event);
  const { counts } = counter;
  // Metrics hear of the same moment as log and trace, once.
  expect(first).toEqual(counts.firstMs === undefined ? [] : [counts.firstMs]);
  return counts;
}

test("what every choice of a prompt had in the cache counts, once; prompts add up", () => {
  expect(counted(2, started(10), finished(0, 3, 8), finished(1, 4, 9)).cachedTokens).toBe(8);
  expect(counted(1, started(10), started(10), finished(0, 3, 8), finished(1, 4, 9))).toMatchObject({
    ...{ promptTokens: 20, cachedTokens: 17, completionTokens: 7 },
  });
});

test("an answer that is broken off counts what was made of it", () => {
  const { completionTokens, promptTokens, queueMs } = counted(1, started(10), text(0), text(0, 3));
  expect([promptTokens, completionTokens, queueMs]).toEqual([10, 4, undefined]);
  expect(counted(2, started(10), text(0), finished(0, 6, 0), text(1, 2)).completionTokens).toBe(8);
});

test("the slowest choice tells how long it took, the first piece when it began", () => {
  const counts = counted(2, started(10), text(1), text(0), finished(1, 1, 0, 7), finished(0, 1, 0, 30));
  expect(counts).toMatchObject({ queueMs: 1, promptMs: 2, predictedMs: 30, firstMs: 1 });
});
