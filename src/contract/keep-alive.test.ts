import { expect, test } from "vitest";
import { KEEP_FOREVER, keepAliveMs } from "./keep-alive.ts";

test.each([
  [0, 0],
  ["0", 0],
  ["0s", 0],
  [300, 300_000],
  [0.5, 500],
  ["300", 300_000],
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  ["1m30s", 90_000],
  ["250ms", 250],
  [" 2s ", 2000],
  [-1, KEEP_FOREVER],
  ["-1", KEEP_FOREVER],
  ["-1m", KEEP_FOREVER],
  ["9999h", 2_147_483_647],
  [1e300, 2_147_483_647],
])("%j is %d ms", (value, ms) => {
  expect(keepAliveMs(value)).toBe(ms);
});

test.each(["", "soon", "5 m", "5x", "m5", "--1", "1e3", `${"1h".repeat(40)}`, Number.NaN, Number.POSITIVE_INFINITY, true, null, [], {}])(
  "%j is nothing",
  (value) => {
    expect(keepAliveMs(value)).toBeUndefined();
  },
);
