import fc from "fast-check";
import { expect, test } from "vitest";
import { subtract } from "./reclaim.ts";

test("what remains of a range is exactly what no other range covers", () => {
  const range = fc.tuple(fc.bigInt(0n, 60n), fc.bigInt(1n, 20n)).map(([start, size]) => ({ start, end: start + size }));
  // As the kernel lists them: sorted, without overlaps.
  const sorted = fc.uniqueArray(fc.bigInt(0n, 80n), { maxLength: 12 }).map((points) => {
    const edges = points.sort((a, b) => Number(a - b));
    return Array.from({ length: Math.floor(edges.length / 2) }, (_, i) => ({ start: edges[2 * i]!, end: edges[2 * i + 1]! }));
  });
  fc.assert(
    fc.property(range, sorted, (whole, others) => {
      const parts = subtract(whole, others);
      for (let at = 0n; at < 100n; at++) {
        const inside = (r: { start: bigint; end: bigint }) => r.start <= at && at < r.end;
        expect(parts.filter(inside).length).toBe(inside(whole) && !others.some(inside) ? 1 : 0);
      }
    }),
  );
});
