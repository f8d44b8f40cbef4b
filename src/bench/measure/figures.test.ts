import { describe, expect, it } from "vitest";
import type { RequestRecord } from "./client.ts";
import { gaps, median, percentile, problemsOf, tokensPerSecond, ttfts } from "./figures.ts";

const record = (sentMs: number, chunkMs: number[], endMs: number, more: Partial<RequestRecord> = {}): RequestRecord => ({
  client: 0,
  promptHash: "",
  maxTokens: chunkMs.length,
  sentMs,
  chunkMs,
  endMs,
  status: 200,
  text: "",
  usage: { promptTokens: 1, completionTokens: chunkMs.length },
  ...more,
});

describe("figures", () => {
  it("percentiles are nearest-rank and medians of an even count the mean of two", () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
    expect(percentile([4, 1, 3, 2], 0.99)).toBe(4);
    expect(percentile([4, 1, 3, 2], 1)).toBe(4);
    expect(percentile([], 0.5)).toBeNaN();
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([9, 1, 5])).toBe(5);
  });

  it("throughput is all tokens over the time from the first send to the last end", () => {
    expect(tokensPerSecond([record(1000, [1100, 1200], 1250), record(1500, [1600, 1700], 2000)]).value).toBe(4);
  });

  it("gaps never span two requests", () => {
    const records = [record(0, [10, 30], 30), record(100, [110, 115], 115)];
    expect(gaps(records)).toEqual([20, 5]);
    expect(ttfts(records)).toEqual([10, 10]);
  });

  it("names failures, wrong lengths and bundled tokens", () => {
    expect(problemsOf([record(0, [1, 2], 3)])).toEqual([]);
    expect(problemsOf([record(0, [1], 3, { error: "reset" })])[0]).toContain("1 of 1 requests failed");
    expect(problemsOf([record(0, [1, 2], 3, { maxTokens: 3 })])[0]).toContain("not 3 tokens long");
    expect(problemsOf([record(0, [1], 3, { maxTokens: 8, usage: { promptTokens: 1, completionTokens: 8 } })])[0]).toContain("1 chunks");
  });
});
