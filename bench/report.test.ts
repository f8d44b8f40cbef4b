import { describe, expect, it } from "vitest";
import { table } from "../src/bench/format.ts";
import type { Contestant } from "./contestants/commands.ts";
import { agreement, problemLines, summarise, summaryTable } from "./report.ts";
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
    expect(row.notServed).toEqual([]);
    expect(summaryTable([row], ["ours", "reference"], [3, 4])).toMatch(/1\.30\s+1\.10–2\.00\s+1\.2 reached\s+1\.25 reached$/);
  });

  it("names who cannot do a workload instead of a figure", () => {
    const unable: RunRecord = { ...run("ours", 0, 1), figures: [], notServed: "status 400: no" };
    const rows = summarise([unable, run("reference", 0, 100)]);
    expect(summaryTable(rows, ["ours", "reference"], [4])).toMatch(/throughput, tok\/s\s+not served\s+100/);
    expect(problemLines([unable])).toEqual(["! q8_0 decode 8, ours, round 1: not served: status 400: no"]);
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
