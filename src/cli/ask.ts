/** One answer from a local pool, piece by piece. Shared by `run` and `generate`. */
import { randomUUID } from "node:crypto";
import { type GenerationEvent, nameOf, type Prompt, type ResolvedModel } from "../contract/generation.ts";
import type { LocalPool } from "../pool/lazy-pool.ts";

export interface Question {
  readonly prompt: Prompt;
  readonly maxTokens?: number;
}

export function ask(pool: LocalPool, model: ResolvedModel, question: Question, signal: AbortSignal): AsyncIterable<GenerationEvent> {
  const request = { id: randomUUID(), model: model.info.id, choices: 1, stop: [], sampling: {}, ...question };
  return pool.generate(model, request, signal);
}

/** Says on stderr when another model than the one asked for answers. */
export function tellFallback(model: ResolvedModel): void {
  if (model.fallbackFrom !== undefined) process.stderr.write(`There is no model '${model.fallbackFrom}'; ${nameOf(model)} answers.\n`);
}
