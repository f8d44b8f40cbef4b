import { describe, expect, it } from "vitest";
import { axisTicks } from "../../src/bench/page/plot.ts";
import type { Contestant } from "../contestants/commands.ts";
import type { Results } from "../results.ts";
import type { RunRecord } from "../session.ts";
import { page } from "./page.ts";

const run = (contestant: Contestant, round: number, value: number): RunRecord => ({
  ...{ round, contestant, model: "q8_0", workload: "decode", clients: 8, memory: undefined, disturbed: false, requests: [] },
  before: { loadavg: [0, 0, 0], busy: 0, stolen: 0, quiet: true },
  cpu: { contestant: 1, bench: 0, others: 0, stolen: 0 },
  figures: [{ name: "throughput", unit: "tok/s", better: "higher", value }],
  problems: round === 0 && contestant === "ours" ? ["<b>odd</b>"] : [],
});

const results: Results = {
  started: "2026-11-24T07:00:00.000Z",
  machine: { cpu: "A & B", cores: 2, memoryGB: 8, kernel: "6" },
  versions: { node: "v20" },
  options: {
    ...{ servers: ["ours", "reference"], rounds: 2, slots: 8, referenceSlots: 8, context: 2048, fresh: "case", noisy: true },
    ...{ oursFlags: [], referenceFlags: [] },
  },
  runs: [run("ours", 0, 140), run("reference", 0, 100), run("ours", 1, 150), run("reference", 1, 110)],
  discarded: [],
  startup: [],
};

describe("the page", () => {
  const html = page(results, [4]);

  it("shows every round of every contestant, the goals, the machine and the doubts", () => {
    expect(html.match(/<circle/g)).toHaveLength(4);
    expect(html).toContain("ours, round 2: 150 tok/s");
    expect(html).toContain("1 of 1 goals reached");
    expect(html).toContain("A &amp; B, 2 cores");
    expect(html).toContain("ours, round 1: &lt;b&gt;odd&lt;/b&gt;");
    expect(html).toContain("Do not quote");
  });

  it("needs nothing from elsewhere and runs no script", () => {
    expect(html).not.toMatch(/https?:|src=|@import|url\(|<script|<link/);
  });

  it("is well nested", () => {
    const open: string[] = [];
    for (const [, close, tag, empty] of html.matchAll(/<(\/?)([a-z][\w-]*)[^>]*?(\/?)>/gi)) {
      if (empty === "/" || tag === "meta") continue;
      if (close === "/") expect(open.pop()).toBe(tag);
      else open.push(tag!);
    }
    expect(open).toEqual([]);
  });
});

describe("axisTicks", () => {
  it.each([
    [108, [0, 50, 100, 150]],
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [0, [0, 1]],
    [4600, [0, 2000, 4000, 6000]],
  ])("up to %d", (largest, ticks) => {
    expect(axisTicks(largest)).toEqual(ticks);
  });
});
