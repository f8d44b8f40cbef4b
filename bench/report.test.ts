import { describe, expect, it } from "vitest";
import type { Contestant } from "./contestants/commands.ts";
import { agreement, summarise, table } from "./report.ts";
import type { RunRecord } from "./session.ts";

const run = (contestant: Contestant, round: number, value: number, text = "same"): RunRecord => ({
  round,
  model: "q8_0",
  contestant,
  workload: "decode",
  clients: 8,
  before: { loadavg: [0, 0, 0], busy: 0, stolen: 0, quiet: true },
  cpu: { contestant: 1, bench: 0, others: 0, stolen: 0 },
  memory: undefined,
  figures: [{ name: "throughput", unit: "tok/s", better: "higher", value }],
  disturbed: false,
  problems: [],
  requests: [{ client: 0, promptHash: `p${round}`, maxTokens: 1, sentMs: 0, chunkMs: [1], endMs: 2, status: 200, text }],
});

describe("report", () => {
  it("compares medians, keeps the spread of the rounds and judges by the goal", () => {
    const runs = [
      [100, 130],
      [110, 121],
      [90, 180],
    ].flatMap(([reference, ours], i) => [run("reference", i, reference!), run("ours", i, ours!)]);
    const row = summarise(runs).find((r) => r.figure === "throughput")!;
    expect(row.medians).toEqual({ reference: 100, ours: 130 });
    expect(row.ratio).toEqual({ median: 1.3, low: 1.1, high: 2 });
    expect([row.goal, row.reached]).toEqual([1.2, true]);
  });

  it("pairs answers by prompt", () => {
    const runs = [run("ours", 0, 1), run("reference", 0, 1), run("ours", 1, 1, "other"), run("reference", 1, 1)];
    expect(agreement(runs, "ours", "reference")).toContain("1 of 2");
  });

  it("aligns numbers to the right and words to the left", () => {
    expect(
      table([
        ["name", "ms"],
        ["a", "100"],
        ["long one", "7.5"],
      ]),
    ).toBe("name      ms\na         100\nlong one  7.5");
  });
});
