/** An engine process with one model, asked as the pool asks it: for the suites of what an answer may look like. */
import { resolve } from "node:path";
import type { FinishReason, GenerationEvent, SamplingParams, TokenLogprob } from "../../src/contract/generation.ts";
import type { EngineOptions, GenerateMessage } from "../../src/engine/ipc.ts";
import { EngineProcess } from "../../src/pool/engine-process.ts";
import { NO_SHARED, SMOLLM2, TINY } from "../support/server.ts";

export interface Model {
  readonly label: string;
  readonly path: string;
  /** Its tokens that end an answer. */
  readonly ends: readonly number[];
  readonly missing: string | undefined;
}

export const MODELS: readonly Model[] = [
  { label: "Shimmy Tiny", path: TINY, ends: [2038, 2040], missing: undefined },
  { label: NO_SHARED ?? "SmolLM2", path: SMOLLM2, ends: [0, 2], missing: NO_SHARED },
];

export async function startEngine(path: string, options: Partial<EngineOptions> = {}): Promise<EngineProcess> {
  const engine = new EngineProcess("test", resolve("dist/engine.js"));
  await engine.load({
    ...{ model: "test", path, slots: 2, contextPerSequence: 1024, cells: 2048, unified: false, kvType: "f16", flashAttention: "auto" },
    ...{ threads: 1, batchTokens: 512, storeTokens: 0, stepMs: 100, queueMs: 0, speculation: true },
    generates: true,
    embedding: { encoder: false, contextTokens: 1024, bytes: 0, kvBytesPerToken: 0 },
    ...options,
  });
  return engine;
}

export const GREEDY: SamplingParams = {
  ...{ temperature: 0, topK: 40, topP: 0.95, minP: 0.05, typicalP: 1, repeatPenalty: 1, repeatLastN: 64 },
  ...{ frequencyPenalty: 0, presencePenalty: 0, logitBias: [], mirostat: 0, mirostatTau: 5, mirostatEta: 0.1, seed: 1 },
};

/** Never ends by itself. */
export function endless(ends: readonly number[]): SamplingParams {
  return { ...GREEDY, logitBias: ends.map((token) => [token, -100]) };
}

/** `text` is the prompt, unless there is one of tokens. */
export type Question = Partial<Omit<GenerateMessage, "type" | "id">> & { readonly text?: string };

export interface Answer {
  readonly text: string;
  readonly reason: FinishReason;
  readonly stopSequence: string | undefined;
  readonly completionTokens: number;
  readonly reasoningTokens: number | undefined;
  readonly cachedTokens: number;
  /** Of the answer, where log probabilities were asked for. */
  readonly tokens: readonly TokenLogprob[];
  /** Of the prompt, and what had been said before it. */
  readonly prompt: readonly TokenLogprob[] | undefined;
  readonly kinds: readonly GenerationEvent["type"][];
}

/** The one choice of a question; all that is not said is greedy and short. */
export async function ask(engine: EngineProcess, { text = "", ...question }: Question): Promise<Answer> {
  const message = {
    ...{ choices: 1, stop: [], maxTokens: 60, sampling: GREEDY, prompt: { segments: [{ text, parseSpecial: true }] } },
    ...question,
  };
  const events: GenerationEvent[] = [];
  for await (const event of engine.generate(message, new AbortController().signal)) events.push(event);
  const texts = events.filter((event) => event.type === "text");
  const finished = events.find((event) => event.type === "finished")!;
  return {
    text: texts.map((event) => event.text).join(""),
    reason: finished.reason,
    stopSequence: finished.stopSequence,
    completionTokens: finished.completionTokens,
    reasoningTokens: finished.reasoningTokens,
    cachedTokens: finished.cachedTokens,
    tokens: texts.flatMap(({ logprobs = [] }) => logprobs),
    prompt: events.find((event) => event.type === "prompt")?.tokens,
    kinds: events.map(({ type }) => type),
  };
}

/** A prompt of one question, in ChatML, which both models read; `begun`: how the answer begins. */
export function chat(content: string, begun = ""): string {
  return `<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n${begun}`;
}
