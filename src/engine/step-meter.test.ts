import { expect, test } from "vitest";
import { StepMeter } from "./step-meter.ts";

test("counts time, sequences and tokens of each step", () => {
  const meter = new StepMeter();
  meter.observe(20, 4, 4);
  meter.observe(300, 5, 516);
  const { seconds, sequences, tokens } = meter.counts;
  expect(seconds.sum).toBeCloseTo(0.32);
  expect(sequences.sum).toBe(9);
  expect(tokens.sum).toBe(520);
  for (const { counts } of [seconds, sequences, tokens]) expect(counts.reduce((a, b) => a + b)).toBe(2);
});

test("what has not changed is the same object, for a report is sent when something differs", () => {
  const meter = new StepMeter();
  const before = meter.counts;
  expect(meter.counts).toBe(before);
  meter.observe(1, 1, 1);
  expect(meter.counts).not.toBe(before);
});
