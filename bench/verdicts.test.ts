import { describe, expect, it } from "vitest";
import type { SummaryRow } from "./report.ts";
import { verdictLine, verdicts } from "./verdicts.ts";

const row = (workload: string, clients: number, figure: string, medians: SummaryRow["medians"], unit = "tok/s"): SummaryRow => ({
  ...{ model: "q8_0", workload, clients, figure, unit, medians, notServed: [] },
});

describe("verdicts", () => {
  it("judge against the reference, the bare loop and our own free text", () => {
    const rows = [
      row("decode", 8, "throughput", { ours: 180, reference: 150, bare: 200 }),
      row("json4", 4, "throughput", { ours: 120, reference: 100 }),
      row("json4-text", 4, "throughput", { ours: 125, reference: 150 }),
    ];
    expect(verdicts(rows, [4]).map((v) => [v.workload, v.of, Number(v.measured.toFixed(2)), v.limit, v.reached])).toEqual([
      ["decode", "× reference", 1.2, 1.25, false],
      ["decode", "× bare", 0.9, 0.92, false],
      ["json4", "× reference", 1.2, 1.15, true],
      ["json4", "× our json4-text", 0.96, 0.95, true],
    ]);
    expect(verdicts(rows, [3]).map((v) => [v.limit, v.reached])).toEqual([[1.2, true]]);
  });

  it("judge what has a limit of its own, and largest memory over all cases", () => {
    const rows = [
      row("schema-enum", 2, "stall in steps", { ours: 2.5 }, "steps"),
      row("burst", 64, "finished", { ours: 64 }, ""),
      row("a", 1, "memory after", { ours: 300, reference: 500 }, "MB RSS"),
      row("b", 1, "memory after", { ours: 400, reference: 800 }, "MB RSS"),
    ];
    expect(verdicts(rows, [4]).map(verdictLine)).toEqual([
      "MISSED   #4 q8_0 schema-enum 2, stall in steps: 2.50 steps (at most 2)",
      "reached  #4 q8_0 burst 64, finished: 64 (at least 64)",
      "reached  #4 q8_0 all cases, largest memory after a case: 0.50 × reference (at most 0.7)",
    ]);
  });

  it("say nothing where a side was not measured", () => {
    expect(verdicts([row("decode", 8, "throughput", { ours: 180 })], [3, 4])).toEqual([]);
  });
});
