import { expect, test } from "vitest";
import type { Outcome } from "./case.ts";
import { type BenchResult, FORMAT, summarise } from "./result.ts";
import { textOf } from "./text.ts";

function run(server: Outcome["server"], throughput: number, more: Partial<Outcome> = {}): Outcome {
  return {
    ...{ round: 0, server, workload: "decode", clients: 4, requests: 8, failed: 0, notes: [], answered: ["m"], countedPieces: false },
    figures: [
      { name: "throughput", unit: "tok/s", better: "higher", value: throughput },
      { name: "TTFT p50", unit: "ms", better: "lower", value: 12.34 },
      { name: "all done after", unit: "ms", better: "lower", value: 900 },
    ],
    ...more,
  };
}

function result(runs: readonly Outcome[], more: Partial<BenchResult> = {}): BenchResult {
  const server = {
    started: false,
    version: null,
    model: "m",
    answered: ["m"],
    counted: "tokens",
    keeps_length: true,
    this_machine: true,
  } as const;
  const names = (["this", "against"] as const).filter((name) => runs.some((each) => each.server === name));
  return {
    ...{ format: FORMAT, measured: "2026-01-01T00:00:00Z", took_seconds: 12.3, interrupted: false, shimmy: "0.1.0", node: "v20" },
    machine: { cpu: "CPU", cores: 2, memoryGB: 8, kernel: "6" },
    settings: { workloads: ["decode"], rounds: 1, seed: 1, share: 1, tokens: null, round_tokens: 768, round_prompt_words: 100 },
    servers: names.map((name) => ({ ...server, name, url: `http://${name}` })),
    ...{ others: { cores: 0.014, quiet: true }, not_watched: null, summary: summarise(runs), runs, failures: [], notes: [] },
    ...more,
  };
}

test("one server: a row a case, figures without a column in lines below", () => {
  const lines = textOf(result([run("this", 123.4)]));
  expect(lines[0]).toBe("this: a server of unknown version at http://this, model m");
  expect(lines[2]).toBe("1 round in 12 s, seed 1, 768 tokens a round; other programs used 0.01 cores");
  const head = lines.find((line) => line.startsWith("workload"))!;
  const row = lines.find((line) => line.startsWith("decode"))!;
  expect([head.includes("server"), row.split(/\s+/)]).toEqual([
    false,
    ["decode", "4", "123", "123–123", "12.3", "-", "-", "-", "-", "-", "0"],
  ]);
  expect(lines).toContain("decode 4: all done after 900 ms");
  expect(lines.join("\n")).not.toContain("ratio");
});

test("two servers: a row each, then the ratio and how to read it", () => {
  const lines = textOf(result([run("this", 120), run("against", 100)]));
  const [ours, theirs, ratio] = lines.slice(lines.findIndex((line) => line.startsWith("decode")));
  expect([ours!.includes("this"), theirs!.trim().startsWith("against"), ratio!.trim().split(/\s+/).slice(0, 3)]).toEqual([
    true,
    true,
    ["ratio", "1.20", "1.20–1.20"],
  ]);
  expect(lines.at(-1)).toContain("Above 1 is better for tok/s");
});

test("what was made smaller is said as it was made", () => {
  const settings = { ...result([run("this", 1)]).settings, share: 0.08 };
  const line = (tokens: number | null) => textOf(result([run("this", 1)], { settings: { ...settings, tokens } }))[2];
  expect(line(null)).toContain("8% of the full lengths and counts, answers never below 8 tokens");
  expect(line(4)).toContain("8% of the full counts and prompts");
});

test("failures, notes, what is not served and an early end are told", () => {
  const refused = run("this", 1, { notServed: "no schema", figures: [], workload: "json" });
  const told = { failures: ["this: broke"], notes: ["careful"], interrupted: true, others: null, not_watched: "only Linux tells it" };
  const lines = textOf(result([run("this", 1, { failed: 3 }), refused], told));
  expect(lines.slice(-3)).toEqual(["! careful", "FAILED this: broke", "It was ended before its end: what is missing was not measured."]);
  expect(lines.find((line) => line.startsWith("decode"))).toMatch(/3 of 8$/);
  expect(lines.find((line) => line.startsWith("json  "))).toContain("not served");
  expect(lines).toContain("json 4: not served by this: no schema");
  expect(lines[2]).toContain("other programs were not watched: only Linux tells it");
});

test("nothing measured is said, and who answered under another name", () => {
  expect(textOf(result([]))).toContain("Nothing was measured to its end.");
  const [server] = result([run("this", 1)]).servers;
  const lines = textOf(result([run("this", 1)], { servers: [{ ...server!, answered: ["other"], keeps_length: false, started: true }] }));
  expect(lines[0]).toContain("started for this, model m (it says that other answered); it cannot be told not to end answers early");
});
