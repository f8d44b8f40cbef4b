/** Numbers out of timed requests: pure arithmetic, used by workloads, bare loop and report. */
import type { RequestRecord } from "./client.ts";

export interface Figure {
  readonly name: string;
  readonly unit: "tok/s" | "ms" | "MB" | "tokens" | "steps" | "%" | "";
  readonly better: "higher" | "lower";
  readonly value: number;
}

/** Nearest-rank percentile, `p` in 0..1; NaN when there is nothing. */
export function percentile(values: readonly number[], p: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))]!;
}

/** Mean of the middle two when the count is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** From the first send to the last end, ms. */
export function wallMs(records: readonly RequestRecord[]): number {
  if (records.length === 0) return 0;
  return Math.max(...records.map((r) => r.endMs)) - Math.min(...records.map((r) => r.sentMs));
}

/** Where a server tells no usage, the pieces of whole answers are counted. */
export function completionTokens(records: readonly RequestRecord[]): number {
  return records.reduce((sum, r) => sum + (r.usage?.completionTokens ?? (r.error === undefined ? r.chunkMs.length : 0)), 0);
}

/** Time to first token of each request that had one, ms. */
export function ttfts(records: readonly RequestRecord[]): number[] {
  return records.flatMap((r) => (r.chunkMs[0] === undefined ? [] : [r.chunkMs[0] - r.sentMs]));
}

/** Between neighbouring tokens of the same request, ms. */
export function gaps(records: readonly RequestRecord[]): number[] {
  return records.flatMap((r) => r.chunkMs.slice(1).map((t, i) => t - r.chunkMs[i]!));
}

export function tokensPerSecond(records: readonly RequestRecord[]): Figure {
  return { name: "throughput", unit: "tok/s", better: "higher", value: completionTokens(records) / (wallMs(records) / 1000) };
}

export function latencyFigures(ttftMs: readonly number[], gapMs: readonly number[]): Figure[] {
  return [
    ms("TTFT p50", percentile(ttftMs, 0.5)),
    ms("TTFT p95", percentile(ttftMs, 0.95)),
    ms("gap p50", percentile(gapMs, 0.5)),
    ms("gap p95", percentile(gapMs, 0.95)),
    ms("gap p99", percentile(gapMs, 0.99)),
    ms("gap max", percentile(gapMs, 1)),
  ];
}

/** What every workload reports unless it says otherwise. */
export function commonFigures(records: readonly RequestRecord[]): Figure[] {
  return [tokensPerSecond(records), ...latencyFigures(ttfts(records), gaps(records))];
}

export function ms(name: string, value: number): Figure {
  return { name, unit: "ms", better: "lower", value };
}

/** Prompt tokens that had to be computed; undefined where the server does not tell what it had cached. */
export function computedPromptTokens(records: readonly RequestRecord[]): number | undefined {
  const usages = records.flatMap((r) => r.usage ?? []);
  if (usages.every((usage) => usage.cachedTokens === undefined)) return undefined;
  return usages.reduce((sum, { promptTokens, cachedTokens = 0 }) => sum + promptTokens - cachedTokens, 0);
}

/** The same as a figure, where it is known. */
export function promptWork(records: readonly RequestRecord[]): Figure[] {
  const value = computedPromptTokens(records);
  return value === undefined ? [] : [{ name: "prompt tokens computed", unit: "tokens", better: "lower", value }];
}

/**
 * Gaps of `readers` that lie, at least in part, between two moments: what somebody who reads then has to bear.
 * A gap that is still open at the end of the answer is none.
 */
export function gapsWithin(readers: readonly RequestRecord[], fromMs: number, toMs: number): number[] {
  return readers.flatMap(({ chunkMs }) =>
    chunkMs.slice(1).flatMap((end, i) => {
      const start = chunkMs[i]!;
      return end > fromMs && start < toMs ? [end - start] : [];
    }),
  );
}

/**
 * What makes a run's figures untrue: failures, wrong lengths, chunks that carry several tokens. One line each.
 * `mayBundle`: several tokens in one chunk are no fault (forced or verified together).
 */
export function problemsOf(records: readonly RequestRecord[], mayBundle = false): string[] {
  const failed = records.filter((r) => r.error !== undefined);
  const whole = records.filter((r) => r.error === undefined && !r.cut);
  const wrong = whole.filter((r) => !r.mayEnd && r.usage?.completionTokens !== r.maxTokens);
  const problems: string[] = [];
  if (failed.length > 0) problems.push(`${failed.length} of ${records.length} requests failed, first: ${failed[0]!.error}`);
  if (wrong.length > 0) {
    const first = wrong[0]!;
    problems.push(`${wrong.length} requests are not ${first.maxTokens} tokens long, first: ${first.usage?.completionTokens ?? "no usage"}`);
  }
  return mayBundle ? problems : [...problems, ...bundling(records.filter((r) => !r.cut))];
}

/** A token that ends within a character sends no chunk, so a few less is right; many less means bundling, which flatters the gaps. */
function bundling(records: readonly RequestRecord[]): string[] {
  const tokens = completionTokens(records);
  const chunks = records.reduce((sum, r) => sum + r.chunkMs.length, 0);
  const perToken = chunks <= tokens && chunks >= 0.97 * tokens;
  return perToken ? [] : [`${tokens} tokens came in ${chunks} chunks: gaps are not per token`];
}
