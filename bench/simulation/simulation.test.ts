import { describe, expect, it } from "vitest";
import { alone, H100, ModelledGpu } from "./gpu.ts";
import { simulationPage } from "./report.ts";
import { type SimulationOptions, simulate } from "./run.ts";
import { traffic } from "./traffic.ts";

const OPTIONS: SimulationOptions = {
  ...{ costs: H100, slots: 16, cellsPerSequence: 2048, cells: 12_000, storeTokens: 8_000, batchTokens: 512, targetStepMs: 30 },
};

describe("the simulation", () => {
  it("brings everybody's own text through a machine that is much too small", () => {
    const requests = traffic({ requests: 120, rate: 40, seed: 3, context: 2048 });
    const outcome = simulate(requests, OPTIONS);
    expect(outcome.lives.map((life) => life.tokens.length)).toEqual(requests.map((request) => request.answer));
    expect(outcome.promptTokensComputed).toBeLessThan(requests.reduce((sum, { prompt }) => sum + prompt.length, 0));
    const html = simulationPage([{ rate: 40, outcome }], { slots: "16" });
    expect(html.match(/<svg/g)).toHaveLength(6);
    expect(html).not.toMatch(/NaN|undefined/);
  });
});

describe("traffic", () => {
  it("comes at the rate asked for, with prefixes that are shared, and fits the context", () => {
    const requests = traffic({ requests: 2000, rate: 50, seed: 1, context: 1024 });
    expect(requests.at(-1)!.atMs / 1000).toBeGreaterThan(36);
    expect(requests.at(-1)!.atMs / 1000).toBeLessThan(44);
    for (const { prompt, answer } of requests) expect(prompt.length + answer).toBeLessThanOrEqual(1024);
    const beginnings = new Set(requests.map(({ prompt }) => prompt.slice(0, 4).join()));
    expect(beginnings.size).toBeLessThan(0.4 * requests.length);
  });
});

describe("the modelled GPU", () => {
  const gpu = () => new ModelledGpu(H100, { slots: 2, cells: 10, storeTokens: 4 });
  const sequence = (key: number, tokens: number[]) => ({ key, tokens }) as never;
  const entry = (slot: number, from: number, to: number, tokens: number[]) => ({
    sequence: sequence(0, tokens),
    slot,
    from,
    to,
    samples: true,
    draft: [],
  });

  it("gives the token that the text before it demands", () => {
    const { sampled } = gpu().step({ actions: [], entries: [entry(0, 0, 3, [5, 6, 7])], group: 0 }, () => false);
    expect(sampled.map((s) => s.token)).toEqual(alone([5, 6, 7], 1));
  });

  it("refuses a plan that skips a token, repeats one, or uses cells that are not there", () => {
    const tokens = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    expect(() => gpu().step({ actions: [], entries: [entry(0, 1, 2, tokens)], group: 0 }, () => false)).toThrow("holds 0 tokens");
    const again = gpu();
    again.step({ actions: [], entries: [entry(0, 0, 2, tokens)], group: 0 }, () => false);
    expect(() => again.step({ actions: [], entries: [entry(0, 0, 2, tokens)], group: 0 }, () => false)).toThrow("holds 2 tokens");
    expect(() => gpu().step({ actions: [], entries: [entry(0, 0, 11, tokens)], group: 0 }, () => false)).toThrow("11 cells of 10");
  });
});
