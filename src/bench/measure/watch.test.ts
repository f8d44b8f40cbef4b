import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { othersOf, QUIET_SHARE, watch } from "./watch.ts";

test("what others used is weighed by how long each case took", () => {
  const [few, many] = [
    { othersCores: 0, seconds: 9 },
    { othersCores: 1, seconds: 1 },
  ];
  expect(othersOf([few, many])!.cores).toBeCloseTo(0.1);
  expect(othersOf([])).toBeUndefined();
});

test("a machine is quiet up to a share of its cores", () => {
  const limit = QUIET_SHARE * availableParallelism();
  expect(othersOf([{ othersCores: limit, seconds: 1 }])!.quiet).toBe(true);
  expect(othersOf([{ othersCores: limit * 1.01, seconds: 1 }])!.quiet).toBe(false);
});

test.skipIf(process.platform !== "linux")(
  "a spinning process counts as another, and as none where it is the one that is measured",
  async () => {
    const spinning = spawn(process.execPath, ["-e", "const end = Date.now() + 10_000; while (Date.now() < end);"]);
    const [alone, own] = [watch(undefined), watch(spinning.pid)];
    await new Promise((resolve) => setTimeout(resolve, 800)); // while it spins: what is gone cannot be read
    const [all, others] = [alone(), own()];
    spinning.kill();
    expect(all.seconds).toBeGreaterThan(0.45);
    expect(all.othersCores - others.othersCores).toBeGreaterThan(0.1);
  },
);
