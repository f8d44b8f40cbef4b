/** One finished request into the counters and histograms. Called by metrics.ts; pure but for what it counts in. */
import type { Instruments } from "./instruments.ts";

/** How a request ended, and how long its phases took: milliseconds. */
export interface RequestOutcome {
  /** HTTP status as sent; 499 when the client left. */
  readonly status: number;
  /** Resolved id; absent when none was resolved. */
  readonly model?: string;
  /** OpenTelemetry's word for what was asked of a model: chat, text_completion, embeddings …; absent: nothing. */
  readonly operation?: string;
  /** Of the error catalogue. */
  readonly code?: string;
  readonly promptTokens?: number;
  /** Those of the prompt tokens that were in the KV cache. */
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
  /** It waited for its model. */
  readonly loadMs?: number;
  readonly queueMs?: number;
  readonly promptMs?: number;
}

/** As measured by whoever counts. */
export interface RequestTimes {
  readonly seconds: number;
  readonly firstSeconds?: number;
}

export function countRequest(instruments: Instruments, route: string, times: RequestTimes, outcome: RequestOutcome): void {
  const model = outcome.model ?? "unknown";
  const { status, code } = outcome;
  instruments.requests.inc({ route, model, status: String(status) });
  if (status >= 500 || status === 429) instruments.failures.inc({ route, model, code: code ?? "internal" });
  instruments.requestDuration.observe({ route }, times.seconds);
  instruments.promptTokens.inc({ model }, amount(outcome.promptTokens));
  instruments.cachedTokens.inc({ model }, amount(outcome.cachedTokens));
  instruments.completionTokens.inc({ model }, amount(outcome.completionTokens));
  countPhases(instruments, model, outcome);
  if (outcome.operation !== undefined) countGenAi(instruments, outcome.operation, model, times, outcome);
}

function countPhases(instruments: Instruments, model: string, { loadMs, queueMs, promptMs, cachedTokens = 0 }: RequestOutcome): void {
  if (loadMs !== undefined) instruments.loadWait.observe({ model }, amount(loadMs / 1000));
  if (queueMs === undefined) return;
  instruments.queueWait.observe({ model }, amount(queueMs / 1000));
  if (promptMs !== undefined) instruments.prefill.observe({ model }, amount(promptMs / 1000));
  instruments.promptCache.inc({ model, result: cachedTokens > 0 ? "hit" : "miss" });
}

function countGenAi(
  instruments: Instruments,
  operation: string,
  model: string,
  { seconds, firstSeconds }: RequestTimes,
  { status, code, promptTokens, completionTokens }: RequestOutcome,
): void {
  const labels = { gen_ai_operation_name: operation, gen_ai_response_model: model };
  // Absent, that is empty, where all went well, as OpenTelemetry has it.
  const error = status < 400 ? "" : (code ?? String(status));
  instruments.genAiDuration.observe({ ...labels, error_type: error }, seconds);
  const tokens = amount(completionTokens);
  if (firstSeconds !== undefined) {
    instruments.genAiFirstToken.observe(labels, firstSeconds);
    if (tokens > 1 && status < 400) instruments.genAiPerToken.observe(labels, amount((seconds - firstSeconds) / (tokens - 1)));
  }
  if (status >= 400) return;
  instruments.genAiTokens.observe({ ...labels, gen_ai_token_type: "input" }, amount(promptTokens));
  if (firstSeconds !== undefined) instruments.genAiTokens.observe({ ...labels, gen_ai_token_type: "output" }, tokens);
}

/** The library throws at what is negative or no number, and a count may not be what fails a request. */
export function amount(value: number | undefined): number {
  return value !== undefined && value > 0 && Number.isFinite(value) ? value : 0;
}
