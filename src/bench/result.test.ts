import { expect, test } from "vitest";
import type { Outcome } from "./case.ts";
import type { Figure } from "./measure/figures.ts";
import { summarise } from "./result.ts";

const throughput = (value: number): Figure => ({ name: "throughput", unit: "tok/s", better: "higher", value });
function outcome(round: number, server: Outcome["server"], values: readonly number[], more: Partial<Outcome> = {}): Outcome {
  return {
    ...{ round, server, workload: "decode", clients: 1, requests: 4, failed: 0, notes: [], answered: [], countedPieces: false },
    figures: values.map(throughput),
    ...more,
  };
}

test("a case is the medians of its rounds, and the ratio is that of the medians with the extremes of the rounds", () => {
  const runs = [
    ...[100, 130, 110].map((value, round) => outcome(round, "this", [value])),
    ...[50, 100, 100].map((value, round) => outcome(round, "against", [value])),
  ];
  const [made, ...others] = summarise(runs);
  expect(others).toEqual([]);
  expect(made!.servers.map(({ server, requests }) => [server, requests])).toEqual([
    ["this", 12],
    ["against", 12],
  ]);
  expect(made!.figures[0]!.values.map(({ median, rounds }) => [median, rounds])).toEqual([
    [110, [100, 130, 110]],
    [100, [50, 100, 100]],
  ]);
  const { median, low, high } = made!.figures[0]!.ratio!;
  expect([median, low, high].map((value) => value.toFixed(2))).toEqual(["1.10", "1.10", "2.00"]);
});

test("ours is first, whoever was measured first; workloads and clients are kept apart", () => {
  const runs = [
    outcome(0, "against", [1]),
    outcome(0, "this", [1]),
    outcome(0, "this", [1], { clients: 4 }),
    outcome(0, "this", [1], { workload: "json" }),
  ];
  const cases = summarise(runs);
  expect(cases.map(({ workload, clients }) => [workload, clients])).toEqual([
    ["decode", 1],
    ["decode", 4],
    ["json", 1],
  ]);
  expect(cases[0]!.servers.map(({ server }) => server)).toEqual(["this", "against"]);
});

test("without a figure on both sides, or with nothing to divide by, there is no ratio", () => {
  const ratio = (runs: readonly Outcome[]) => summarise(runs)[0]!.figures[0]?.ratio;
  expect(ratio([outcome(0, "this", [1])])).toBeNull();
  expect(ratio([outcome(0, "this", [1]), outcome(0, "against", [])])).toBeNull();
  expect(ratio([outcome(0, "this", [1]), outcome(0, "against", [0])])).toBeNull();
  expect(ratio([outcome(0, "this", [1]), outcome(1, "against", [1])])).toBeNull(); // no round has both
});

test("what is not served has its reason, and failures are added up", () => {
  const runs = [
    outcome(0, "this", [], { notServed: "no schema" }),
    outcome(0, "against", [1], { failed: 1 }),
    outcome(1, "against", [1], { failed: 2 }),
  ];
  expect(summarise(runs)[0]!.servers).toEqual([
    { server: "this", requests: 4, failed: 0, not_served: "no schema" },
    { server: "against", requests: 8, failed: 3, not_served: null },
  ]);
});
