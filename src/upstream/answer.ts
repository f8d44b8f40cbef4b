/**
 * The events of an upstream's stream → `GenerationEvent`s. Called by generator.ts with the data of each, in order. It trusts nothing: what
 * is no chunk of OpenAI's two endpoints is a failure. It must not know how the data came.
 *
 * The ends of the choices are told last of all, for usage comes behind them.
 */
import { randomUUID } from "node:crypto";
import type { FinishReason, GenerationEvent, GenerationRequest } from "../contract/generation.ts";
import { failureInStream, isFields, UpstreamFailure } from "./failure.ts";
import { logprobsOf } from "./logprobs.ts";
import { NativeChunks } from "./native.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Choice {
  tokens: number;
  reason: FinishReason | undefined;
  stopSequence: string | undefined;
  /** By their index there: ours, and whether it has arguments. */
  readonly calls: Map<number, { readonly call: number; argued: boolean }>;
}

interface Reading extends Pick<GenerationRequest, "choices" | "topLogprobs"> {
  readonly isNative?: boolean;
}

export class UpstreamAnswer {
  readonly #choices: readonly Choice[];
  readonly #startedAt = performance.now();
  #firstAt: number | undefined;
  #started = false;
  #promptTokens = 0;
  #usage: Fields = {};
  /** Of the chunks without choices, which come last. */
  #last: Fields | undefined;
  #timings: Fields = {};

  /** An infill is answered in llama-server's own words. */
  readonly #native: NativeChunks | undefined;
  readonly #clean: (text: string) => string;
  readonly #topLogprobs: number | undefined;

  /** @param clean takes out of its words what nobody may read */
  constructor({ choices, topLogprobs, isNative = false }: Reading, clean = (text: string) => text) {
    this.#clean = clean;
    this.#native = isNative ? new NativeChunks() : undefined;
    this.#topLogprobs = topLogprobs;
    this.#choices = Array.from({ length: choices }, () => ({ tokens: 0, reason: undefined, stopSequence: undefined, calls: new Map() }));
  }

  /** @param events gets what it says. @throws UpstreamFailure, and what a refused request is told. `[DONE]` says nothing here. */
  read(data: string, events: GenerationEvent[]): void {
    if (data === "[DONE]") return;
    const told = parsed(data);
    const chunk = this.#native?.read(told) ?? told;
    if (chunk.error !== undefined && chunk.error !== null) throw failureInStream(this.#cleaned(chunk.error));
    const { choices, usage, timings } = chunk;
    if (!Array.isArray(choices)) throw garbage();
    if (isFields(usage)) this.#usage = choices.length > 0 ? usage : together(this.#last, usage);
    if (isFields(usage) && choices.length === 0) this.#last = this.#usage;
    if (isFields(timings)) this.#timings = timings;
    if (!this.#started) {
      this.#started = true;
      this.#promptTokens = count(this.#usage.prompt_tokens) ?? 0;
      events.push({ type: "started", promptTokens: this.#promptTokens });
    }
    const { prompt_progress: progress } = chunk;
    if (isFields(progress)) events.push(progressOf(progress));
    for (const choice of choices) this.#read(choice, events);
  }

  /** When the stream has ended, with `rest`. @throws UpstreamFailure when the answer is not whole */
  end(rest: readonly string[] = []): readonly GenerationEvent[] {
    const events: GenerationEvent[] = [];
    for (const data of rest) this.read(data, events);
    if (!this.#started || this.#choices.some(({ reason }) => reason === undefined)) throw new UpstreamFailure("unreachable", CUT);
    const counted = this.#choices.reduce((sum, { tokens }) => sum + tokens, 0);
    // Usage is of all choices together: what the chunks do not tell of it is the first one's.
    const more = (count(this.#usage.completion_tokens) ?? counted) - counted;
    for (const [index, choice] of this.#choices.entries()) events.push(...this.#finished(choice, index, index === 0 ? more : 0));
    return events;
  }

  #cleaned(error: unknown): unknown {
    const { message, param, ...rest } = isFields(error) ? error : { message: error };
    return { ...rest, message: this.#clean(text(message)), ...(typeof param === "string" && { param: this.#clean(param) }) };
  }

  #read(value: unknown, events: GenerationEvent[]): void {
    if (!isFields(value)) throw garbage();
    const { index, delta, finish_reason: reason, stop_reason: stopped } = value;
    const choice = this.#choices[index as number];
    if (choice === undefined) throw garbage();
    const before = events.length;
    // Who does not stream has messages.
    const said = isFields(delta) ? delta : isFields(value.message) ? value.message : { content: value.text };
    const logprobs = logprobsOf(value.logprobs, this.#topLogprobs);
    const tokens = logprobs?.length ?? 1;
    const thought = text(said.reasoning_content) || text(said.reasoning);
    const common = { choice: index as number, tokens, ...(logprobs && { logprobs }) };
    if (thought !== "") events.push({ type: "reasoning", text: thought, ...common });
    const content = text(said.content);
    if (content !== "" || logprobs?.length) events.push({ type: "text", text: content, ...common });
    if (Array.isArray(said.tool_calls))
      for (const [place, call] of said.tool_calls.entries()) readCall(choice, index as number, call, place, events);
    if (events.length > before) {
      this.#firstAt ??= performance.now();
      choice.tokens += tokens;
    }
    if (typeof reason === "string") choice.reason = reasonOf(reason);
    if (typeof stopped === "string") choice.stopSequence = stopped;
  }

  #finished({ tokens, reason, stopSequence, calls }: Choice, choice: number, more: number): GenerationEvent[] {
    const empty = [...calls.values()].filter(({ argued }) => !argued);
    const details = isFields(this.#usage.prompt_tokens_details) ? this.#usage.prompt_tokens_details : {};
    const thoughts = isFields(this.#usage.completion_tokens_details)
      ? count(this.#usage.completion_tokens_details.reasoning_tokens)
      : undefined;
    const promptTokens = (count(this.#usage.prompt_tokens) ?? 0) - this.#promptTokens;
    const now = performance.now();
    const firstAt = this.#firstAt ?? now;
    return [
      // Whole arguments are an object.
      ...empty.map(({ call }) => ({ type: "toolCall" as const, choice, call, arguments: "{}", tokens: 0 })),
      {
        type: "finished",
        choice,
        reason: reason!,
        ...(stopSequence !== undefined && { stopSequence }),
        ...(choice === 0 && promptTokens > 0 && { promptTokens }),
        completionTokens: Math.max(0, tokens + more),
        ...(this.#choices.length === 1 && thoughts !== undefined && { reasoningTokens: thoughts }),
        cachedTokens: count(details.cached_tokens) ?? count(this.#timings.cache_n) ?? 0,
        timings: {
          queueMs: 0,
          promptMs: time(this.#timings.prompt_ms) ?? firstAt - this.#startedAt,
          predictedMs: time(this.#timings.predicted_ms) ?? now - firstAt,
        },
      },
    ];
  }
}

const CUT = "its answer was cut off";

/**
 * The first piece of a call has its name; one without is a further piece of the arguments.
 * @param among its place in the list, for who tells no index
 */
function readCall(choice: Choice, index: number, value: unknown, among: number, events: GenerationEvent[]): void {
  if (!isFields(value)) throw garbage();
  const told = isFields(value.function) ? value.function : {};
  const place = typeof value.index === "number" ? value.index : among;
  const fragment = text(told.arguments);
  let known = choice.calls.get(place);
  if (!known) {
    const name = text(told.name);
    if (name === "") throw garbage();
    known = { call: choice.calls.size, argued: false };
    choice.calls.set(place, known);
    const id = text(value.id) || `call_${randomUUID()}`;
    events.push({ type: "toolCall", choice: index, call: known.call, id, name, arguments: "", tokens: 0 });
  }
  if (fragment === "") return;
  known.argued = true;
  events.push({ type: "toolCall", choice: index, call: known.call, arguments: fragment, tokens: 1 });
}

/** llama.cpp's: tokens of the prompt, of these cached, of these in the cache now; milliseconds. */
function progressOf({ total, cache, processed, time_ms: ms }: Fields): GenerationEvent {
  const tokens = (value: unknown) => count(value) ?? 0;
  return { type: "progress", choice: 0, total: tokens(total), cached: tokens(cache), processed: tokens(processed), ms: time(ms) ?? 0 };
}

/** llama-server tells the usage of each choice at its end, in a chunk of its own; all others tell one of all choices. The prompt is one. */
function together(before: Fields | undefined, usage: Fields): Fields {
  const counted = count(before?.completion_tokens);
  return counted === undefined ? usage : { ...usage, completion_tokens: counted + (count(usage.completion_tokens) ?? 0) };
}

function reasonOf(reason: string): FinishReason {
  if (reason === "length") return "length";
  return reason === "tool_calls" || reason === "function_call" ? "tool_calls" : "stop";
}

function parsed(data: string): Fields {
  try {
    const value: unknown = JSON.parse(data);
    if (isFields(value)) return value;
  } catch (cause) {
    throw garbage(cause);
  }
  throw garbage();
}

function garbage(cause?: unknown): UpstreamFailure {
  return new UpstreamFailure("unwell", "its stream is none of OpenAI's dialect", { cause });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function time(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && Number.isFinite(value) ? value : undefined;
}
