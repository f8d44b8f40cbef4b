import { expect, test } from "vitest";
import { WaitLimit } from "./wait-limit.ts";

test("tells once who has waited as long as is allowed, the longest first", () => {
  const limit = new WaitLimit(100);
  limit.arrived(1, 0);
  limit.arrived(2, 30);
  limit.arrived(3, 90);
  expect(limit.overdue(99)).toEqual([]);
  expect(limit.overdue(130)).toEqual([
    { id: 1, waitedMs: 130 },
    { id: 2, waitedMs: 100 },
  ]);
  expect(limit.overdue(130)).toEqual([]);
  expect(limit.overdue(190)).toEqual([{ id: 3, waitedMs: 100 }]);
});

test("who has begun or left waits no more", () => {
  const limit = new WaitLimit(100);
  limit.arrived(1, 0);
  limit.arrived(2, 0);
  limit.left(1);
  expect(limit.overdue(1000)).toEqual([{ id: 2, waitedMs: 1000 }]);
});

test("0 is without limit", () => {
  const limit = new WaitLimit(0);
  limit.arrived(1, 0);
  expect(limit.overdue(Number.MAX_SAFE_INTEGER)).toEqual([]);
});
