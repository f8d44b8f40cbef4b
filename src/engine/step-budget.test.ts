import { expect, test } from "vitest";
import { StepBudget } from "./step-budget.ts";

/** Steps of a machine that takes `ms` for a token. */
function after(ms: number, { most = 512, targetMs = 100, steps = 20, decoding = 4 } = {}): StepBudget {
  const budget = new StepBudget(most, targetMs);
  for (let step = 0; step < steps; step++) {
    const tokens = budget.tokens(decoding);
    budget.observe(tokens, tokens, tokens * ms);
  }
  return budget;
}

test("a step with readers takes about the target time", () => {
  for (const ms of [0.5, 1, 2.2, 5]) {
    const took = after(ms).tokens(4) * ms;
    expect(took).toBeGreaterThan(70);
    expect(took).toBeLessThan(140);
  }
});

test("without readers it may take four times as long", () => {
  expect(after(2.2).tokens(0) / after(2.2).tokens(4)).toBeGreaterThan(3);
});

test("it is never more than the context takes, and never nothing", () => {
  expect(after(0.001).tokens(0)).toBe(512);
  expect(after(900).tokens(3)).toBe(3 + 16);
});

test("readers are served in each step, however slow it is", () => {
  expect(after(900).tokens(40)).toBeGreaterThanOrEqual(40);
});

test("noise of a tenth does not move the parts of a prompt", () => {
  const budget = after(2);
  const seen = new Set<number>();
  for (let step = 0; step < 50; step++) {
    const tokens = budget.tokens(4);
    seen.add(tokens);
    budget.observe(tokens, tokens, tokens * 2 * (step % 2 ? 1.1 : 0.9));
  }
  expect(seen.size).toBe(1);
});

test("a step that only decodes says nothing about prompts", () => {
  const budget = after(2);
  const before = budget.tokens(4);
  budget.observe(0, 64, 4000);
  expect(budget.tokens(4)).toBe(before);
});
