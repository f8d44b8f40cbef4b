import { expect, test } from "vitest";
import { Crowd } from "./crowd.ts";

test("those who can wait are not counted by those who cannot", () => {
  const crowd = new Crowd();
  const lines = [1, 1, 1].map((priority) => crowd.add(priority));
  const leave = crowd.add(0);
  expect([crowd.upTo(0), crowd.upTo(1), crowd.size]).toEqual([1, 4, 4]);
  leave();
  leave();
  expect([crowd.upTo(0), crowd.upTo(1)]).toEqual([0, 3]);
  for (const line of lines) line();
  expect(crowd.size).toBe(0);
});
