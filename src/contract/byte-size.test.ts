import { expect, test } from "vitest";
import { size } from "./byte-size.ts";

test("a size has the unit that it is rounded to, and only nothing is 0", () => {
  const written = [0, 1, 499_999, 500_000, 3_078_208, 949_999_999, 999_499_999, 999_500_000, 24e9].map(size);
  expect(written).toEqual(["0 kB", "1 kB", "500 kB", "500 kB", "3 MB", "950 MB", "999 MB", "1.0 GB", "24.0 GB"]);
});
