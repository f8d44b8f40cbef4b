/** The interval holds the truth about as often as it says. */
import { expect, test } from "vitest";
import { clusterInterval, mulberry32 } from "./measure/bootstrap.ts";

const random = mulberry32(7);
/** Of mean 0 and deviation 1, roughly: twelve of 0 to 1 less six. */
const normal = () => Array.from({ length: 12 }, random).reduce((sum, value) => sum + value, -6);

test("in nine of ten experiments at least, and it says nothing surer than sets allow", () => {
  let held = 0;
  for (let i = 0; i < 40; i++) {
    const sets = Array.from({ length: 15 }, () => {
      const luck = normal();
      return Array.from({ length: 6 }, () => 3 + luck + normal());
    });
    const { mean, low, high } = clusterInterval(sets, i);
    expect(mean).toBeGreaterThan(low);
    expect(mean).toBeLessThan(high);
    expect(high - low).toBeGreaterThan(0.5); // rounds alone would say 0.4
    if (low <= 3 && 3 <= high) held++;
  }
  expect(held).toBeGreaterThanOrEqual(34);
});
