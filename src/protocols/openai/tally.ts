/**
 * Counts over the events of one call: usage and timings for whole and streamed answers alike, and whether all choices have ended.
 * Called by answer.ts and stream.ts. It must not know any wire chunk.
 */
import type { CompletionUsage } from "openai/resources/completions";
import { ShimmyError } from "../../contract/errors.ts";
import type { FinishReason, GenerationEvent } from "../../contract/generation.ts";

/** llama.cpp's `timings`: counts in tokens, times in milliseconds, rates in tokens a second. */
export interface WireTimings {
  cache_n: number;
  prompt_n: number;
  prompt_ms: number;
  prompt_per_second: number;
  predicted_n: number;
  predicted_ms: number;
  predicted_per_second: number;
}

export class Tally {
  private promptTokens: number | undefined;
  private completionTokens = 0;
  /** By prompt. */
  private readonly cachedTokens = new Map<number, number>();
  private promptMs = 0;
  private predictedMs = 0;
  /** Undefined: nobody has said that the model thinks. */
  private reasoningTokens: number | undefined;
  /** Tokens of the choices that still run, by choice, and those of thoughts among them. */
  private readonly running: Map<number, { tokens: number; reasoning: number | undefined }>;

  /** `choices`: of all prompts together; `perPrompt`: of each. */
  constructor(
    choices: number,
    private readonly perPrompt = choices,
  ) {
    this.running = new Map(Array.from({ length: choices }, (_, choice) => [choice, { tokens: 0, reasoning: undefined }]));
  }

  add(event: GenerationEvent): void {
    if (event.type === "started") {
      this.promptTokens = (this.promptTokens ?? 0) + event.promptTokens;
      return;
    }
    if (event.type === "progress" || event.type === "prompt") return;
    const soFar = this.running.get(event.choice);
    if (soFar === undefined) throw broken(`choice ${event.choice} is unknown or has ended`);
    if (event.type !== "finished") {
      soFar.tokens += event.tokens;
      if (event.type === "reasoning") soFar.reasoning = (soFar.reasoning ?? 0) + event.tokens;
      return;
    }
    this.running.delete(event.choice);
    this.promptTokens = sum(this.promptTokens, event.promptTokens);
    this.completionTokens += event.completionTokens;
    this.reasoningTokens = sum(this.reasoningTokens, event.reasoningTokens ?? soFar.reasoning);
    // The choices of a prompt share it, and usage counts it once: what no choice had to compute was cached.
    const prompt = Math.floor(event.choice / this.perPrompt);
    this.cachedTokens.set(prompt, Math.min(this.cachedTokens.get(prompt) ?? Number.POSITIVE_INFINITY, event.cachedTokens));
    // They also run side by side, so the time of the call is that of the slowest.
    this.promptMs = Math.max(this.promptMs, event.timings.promptMs);
    this.predictedMs = Math.max(this.predictedMs, event.timings.predictedMs);
  }

  get complete(): boolean {
    return this.promptTokens !== undefined && this.running.size === 0;
  }

  /** @throws internal when the events ended before every choice did. */
  requireComplete(): void {
    if (!this.complete) throw broken("the events ended before every choice had finished");
  }

  usage(): CompletionUsage {
    return this.usageWith(this.completionTokens, this.reasoningTokens);
  }

  /** Usage in mid-stream; tokens whose text is still held back are not in it. */
  usageSoFar(): CompletionUsage {
    const running = [...this.running.values()];
    const tokens = running.reduce((all, choice) => all + choice.tokens, this.completionTokens);
    const reasoning = running.reduce((all, choice) => sum(all, choice.reasoning), this.reasoningTokens);
    return this.usageWith(tokens, reasoning);
  }

  timings(): WireTimings {
    const cached = this.cached();
    const computed = (this.promptTokens ?? 0) - cached;
    return {
      cache_n: cached,
      prompt_n: computed,
      prompt_ms: this.promptMs,
      prompt_per_second: perSecond(computed, this.promptMs),
      predicted_n: this.completionTokens,
      predicted_ms: this.predictedMs,
      predicted_per_second: perSecond(this.completionTokens, this.predictedMs),
    };
  }

  private usageWith(completionTokens: number, reasoningTokens: number | undefined): CompletionUsage {
    const promptTokens = this.promptTokens ?? 0;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: this.cached() },
      ...(reasoningTokens !== undefined && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
    };
  }

  private cached(): number {
    return [...this.cachedTokens.values()].reduce((sum, tokens) => sum + tokens, 0);
  }
}

/**
 * The engine's reason → OpenAI's. The one place where a finish_reason is made: a limit wins over everything, and calls are a reason only
 * where there are some.
 * @param calls how the dialect says it, if the answer has calls
 */
export function finishReason<Calls extends string = never>(reason: FinishReason, calls?: Calls): "stop" | "length" | Calls {
  return reason === "length" ? "length" : (calls ?? "stop");
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
}

/** JSON has no infinity, and an instant took no measurable time. */
function perSecond(tokens: number, ms: number): number {
  return ms > 0 ? (tokens * 1000) / ms : 0;
}

function broken(reason: string): ShimmyError {
  return new ShimmyError("internal", {}, { cause: new Error(`Generation events out of order: ${reason}`) });
}
