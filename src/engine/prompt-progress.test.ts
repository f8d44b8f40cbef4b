import { expect, test } from "vitest";
import { type Plan, Scheduler } from "../scheduler/scheduler.ts";
import { PromptProgress } from "./prompt-progress.ts";

const prompt = (length: number) => Array.from({ length }, (_, i) => i + 1);

/** A prompt of ten tokens, watched, in steps of four; beside it one that nobody watches. */
function begin() {
  const scheduler = new Scheduler({ slots: 2, cells: 200, cellsPerSequence: 100 });
  const progress = new PromptProgress();
  scheduler.arrive({ key: 7, prompt: prompt(10), maxTokens: 5 });
  progress.watch(7, 2);
  let now = 1000;
  const step = () => {
    const plan: Plan = scheduler.plan(4);
    const before = progress.begin(plan.entries, now);
    now += 50;
    const after = progress.computed(plan.entries, now);
    scheduler.apply(
      plan,
      plan.entries.filter(({ samples }) => samples).map(({ sequence }) => ({ key: sequence.key, token: 99, ended: false })),
    );
    return { before, after };
  };
  return { scheduler, progress, step };
}

const event = (processed: number, ms: number) => [7, { type: "progress", choice: 2, total: 10, cached: 0, processed, ms }];

test("tells where a prompt begins, each part of it, and the whole, then nothing more", () => {
  const { step } = begin();
  expect(step()).toEqual({ before: [event(0, 0)], after: [event(4, 50)] });
  expect(step()).toEqual({ before: [], after: [event(8, 100)] });
  expect(step()).toEqual({ before: [], after: [event(10, 150)] });
  expect(step()).toEqual({ before: [], after: [] });
});

test("what is cached counts as processed from the beginning", () => {
  const { scheduler, progress, step } = begin();
  for (let i = 0; i < 4; i++) step();
  scheduler.abort(7);
  scheduler.arrive({ key: 8, prompt: [...prompt(8), 50, 51], maxTokens: 5 });
  progress.watch(8, 0);
  const plan = scheduler.plan(64);
  const [[, told] = []] = progress.begin(plan.entries, 0);
  expect(told).toMatchObject({ total: 10, cached: 8, processed: 8, ms: 0 });
});

test("a prompt that is computed again says nothing until it is beyond what was told", () => {
  const { scheduler, progress, step } = begin();
  scheduler.arrive({ key: 9, prompt: prompt(3).reverse(), maxTokens: 5 });
  step();
  step();
  const [entry] = scheduler.plan(4).entries.filter(({ sequence }) => sequence.key === 7);
  const again = { ...entry!, from: 0, to: 3 };
  expect([progress.begin([again], 0), progress.computed([again], 0)]).toEqual([[], []]);
});

test("who left is not told", () => {
  const { progress, step } = begin();
  progress.forget(7);
  expect(step()).toEqual({ before: [], after: [] });
});
