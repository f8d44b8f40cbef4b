import { expect, test } from "vitest";
import type { EngineState } from "./ipc.ts";
import { StateReport } from "./state-report.ts";

const START: EngineState = {
  cellsUsed: 0,
  storedTokens: 0,
  storedBytes: 0,
  threads: 2,
  stepTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
};

function create() {
  let reads = 0;
  const now = { state: START };
  const report = new StateReport(() => {
    reads++;
    return now.state;
  });
  return { report, now, reads: () => reads };
}

test("tells what has changed, at most once a second", () => {
  const { report, now, reads } = create();
  expect(report.due(0, false)).toBeUndefined();
  now.state = { ...START, cellsUsed: 5 };
  expect(report.due(10, false)).toEqual(now.state);
  now.state = { ...START, cellsUsed: 6 };
  const before = reads();
  expect(report.due(1009, false)).toBeUndefined();
  expect(reads()).toBe(before);
  expect(report.due(1010, false)).toEqual(now.state);
  expect(report.due(5000, false)).toBeUndefined();
});

test("what is last is told at once, unless it is known", () => {
  const { report, now } = create();
  now.state = { ...START, threads: 1 };
  report.due(0, false);
  now.state = { ...START, threads: 2, stepTokens: 9 };
  expect(report.due(1, true)).toEqual(now.state);
  expect(report.due(2, true)).toBeUndefined();
});
