/**
 * What the events of one exchange come to: tokens and times for its metrics, log line and trace. Fed by observe.ts. Counts as the
 * dialects count usage; an answer that is broken off counts what was made of it.
 */
import type { FinishReason, GenerationEvent, Timings } from "../contract/generation.ts";

export interface AnswerCounts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of each choice that has ended. */
  readonly finishReasons?: readonly FinishReason[];
  /** Absent where it was not waited for a model. */
  readonly loadMs?: number;
  /** From `startedAt` to the first piece. */
  readonly firstMs?: number;
}

export class AnswerCounter {
  readonly #startedAt: number;
  /** Choices of each prompt. */
  readonly #perPrompt: number;
  readonly #onFirst: (ms: number) => void;
  readonly #now: () => number;
  #promptTokens = 0;
  /** By choice. */
  readonly #made: number[] = [];
  /** By prompt: its choices share it, so what no choice had to compute was cached. */
  readonly #cached: number[] = [];
  readonly #reasons: FinishReason[] = [];
  #loadMs: number | undefined;
  #firstMs: number | undefined;
  #timings: Timings | undefined;

  /** @param onFirst told `firstMs`, at that moment */
  constructor(startedAt: number, perPrompt: number, onFirst: (ms: number) => void, now: () => number = () => performance.now()) {
    this.#startedAt = startedAt;
    this.#onFirst = onFirst;
    this.#perPrompt = perPrompt;
    this.#now = now;
  }

  /** @returns whether it is a piece of the answer */
  add(event: GenerationEvent): boolean {
    switch (event.type) {
      case "started":
        this.#promptTokens += event.promptTokens;
        this.#loadMs ??= event.loadMs;
        return false;
      case "text":
      case "reasoning":
      case "toolCall":
        if (this.#firstMs === undefined) {
          this.#firstMs = this.#now() - this.#startedAt;
          this.#onFirst(this.#firstMs);
        }
        this.#made[event.choice] = (this.#made[event.choice] ?? 0) + event.tokens;
        return true;
      case "finished":
        this.#finish(event);
        return false;
      default:
        return false;
    }
  }

  get counts(): AnswerCounts & Partial<Timings> {
    return {
      promptTokens: this.#promptTokens,
      cachedTokens: sum(this.#cached),
      completionTokens: sum(this.#made),
      ...this.#timings,
      ...(this.#reasons.length > 0 && { finishReasons: this.#reasons }),
      ...(this.#loadMs !== undefined && { loadMs: this.#loadMs }),
      ...(this.#firstMs !== undefined && { firstMs: this.#firstMs }),
    };
  }

  #finish({
    choice,
    reason,
    promptTokens = 0,
    cachedTokens,
    completionTokens,
    timings,
  }: Extract<GenerationEvent, { type: "finished" }>): void {
    this.#promptTokens += promptTokens;
    this.#reasons.push(reason);
    // Text that is held back for a stop string is told at the end only.
    this.#made[choice] = completionTokens;
    const prompt = Math.floor(choice / this.#perPrompt);
    this.#cached[prompt] = Math.min(this.#cached[prompt] ?? Number.POSITIVE_INFINITY, cachedTokens);
    // Choices run side by side: the first that ends tells when they began, the slowest how long they took.
    const predictedMs = Math.max(this.#timings?.predictedMs ?? 0, timings.predictedMs);
    this.#timings = { ...(this.#timings ?? timings), predictedMs };
  }
}

/** `reduce` passes over the holes of an array, which are choices that were not told of. */
function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
