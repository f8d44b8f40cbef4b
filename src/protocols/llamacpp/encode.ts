/**
 * Events → answers as llama-server gives them at /completion and /infill, whole and streamed. Called through the `Protocol` in index.ts.
 * Source: server_task_result_cmpl_final and _partial of llama.cpp's tools/server/server-task.cpp. Streams end without an end mark.
 */
import { type GenerationEvent, nameOf, type ResolvedModel, type TokenLogprob } from "../../contract/generation.ts";
import { spelled } from "../../contract/sampling-names.ts";
import { chatEntry } from "../openai/logprobs.ts";
import { choicesOf } from "../openai/request.ts";
import { Tally } from "../openai/tally.ts";
import type { NativeCall } from "./decode.ts";

type Finished = GenerationEvent & { readonly type: "finished" };

/** Slots are the scheduler's to choose, and a sequence may change its own. */
const NO_SLOT = -1;

/** One answer on its way. */
class Answer {
  content = "";
  readonly tokens: TokenLogprob[] = [];
  generated = 0;

  constructor(
    readonly call: NativeCall,
    readonly model: ResolvedModel,
    readonly index: number,
    readonly promptTokens: () => number,
  ) {}

  /** @returns the piece as a stream tells it */
  add(text: string, count: number, logprobs: readonly TokenLogprob[] = []): object {
    this.content += text;
    this.generated += count;
    for (const token of logprobs) this.tokens.push(token);
    return this.piece(text, logprobs);
  }

  piece(content: string, logprobs: readonly TokenLogprob[] = []): object {
    return {
      index: this.index,
      content,
      tokens: this.ids(logprobs),
      stop: false,
      id_slot: NO_SLOT,
      tokens_predicted: this.generated,
      tokens_evaluated: this.promptTokens(),
      ...(this.call.tellsProbabilities && logprobs.length > 0 && { completion_probabilities: logprobs.map(probability) }),
    };
  }

  /** The whole of it; of a stream the last frame, whose pieces have gone before. */
  final(event: Finished): object {
    const { call, model, index } = this;
    const { request, stream } = call;
    const promptTokens = this.promptTokens();
    const tally = new Tally(1);
    tally.add({ type: "started", promptTokens });
    tally.add({ ...event, choice: 0 });
    const all = {
      index,
      content: stream ? "" : this.content,
      tokens: stream ? [] : this.ids(this.tokens),
      id_slot: NO_SLOT,
      stop: true,
      model: nameOf(model),
      tokens_predicted: event.completionTokens,
      tokens_evaluated: promptTokens,
      generation_settings: settingsOf(call),
      ...(request.prompt.kind === "text" && { prompt: this.promptText() }),
      has_new_line: this.content.includes("\n"),
      truncated: false,
      stop_type: event.stopSequence !== undefined ? "word" : event.reason === "length" ? "limit" : "eos",
      stopping_word: event.stopSequence ?? "",
      tokens_cached: promptTokens + event.completionTokens,
      timings: tally.timings(),
      ...(call.tellsProbabilities && !stream && { completion_probabilities: this.tokens.map(probability) }),
    };
    return call.fields ? only(call.fields, all) : all;
  }

  private ids(tokens: readonly TokenLogprob[]): number[] {
    const { tellsTokens, stream } = this.call;
    return tellsTokens || stream ? tokens.map(({ token }) => token) : [];
  }

  private promptText(): string {
    const { request, batch = [request] } = this.call;
    const { prompt } = batch[Math.floor(this.index / request.choices)]!;
    return prompt.kind === "text" ? prompt.text : "";
  }
}

/** What happened, and what a stream tells of it. */
interface Step {
  readonly frame: object;
  /** The last of its choice. */
  readonly final: boolean;
  readonly index: number;
}

async function* steps(
  call: NativeCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<Step, void, undefined> {
  // Checks the order of events; the times of each choice are its own.
  const order = new Tally(choicesOf(call), call.request.choices);
  const promptTokens = new Map<number, number>();
  const answers = Array.from({ length: choicesOf(call) }, (_, index) => {
    const first = index - (index % call.request.choices);
    return new Answer(call, model, index, () => promptTokens.get(first) ?? 0);
  });
  for await (const event of events) {
    order.add(event);
    switch (event.type) {
      case "started":
        promptTokens.set(event.choice ?? 0, event.promptTokens);
        break;
      case "progress": {
        const { choice: index, total, cached: cache, processed, ms } = event;
        const prompt_progress = { total, cache, processed, time_ms: Math.round(ms) };
        yield { frame: { ...answers[index]!.piece(""), prompt_progress }, final: false, index };
        break;
      }
      case "text": {
        const frame = answers[event.choice]!.add(event.text, event.tokens, event.logprobs);
        if (event.text !== "" || event.logprobs?.length) yield { frame, final: false, index: event.choice };
        break;
      }
      case "finished":
        if (event.promptTokens !== undefined) promptTokens.set(event.choice - (event.choice % call.request.choices), event.promptTokens);
        yield { frame: answers[event.choice]!.final(event), final: true, index: event.choice };
        break;
    }
  }
  order.requireComplete();
}

/** One answer as an object, several as an array, as llama-server does. */
export async function encodeWhole(call: NativeCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>): Promise<unknown> {
  const finals: object[] = [];
  for await (const { frame, final, index } of steps(call, model, events)) if (final) finals[index] = frame;
  return finals.length === 1 ? finals[0] : finals;
}

export async function* encodeStream(
  call: NativeCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<string, void, undefined> {
  for await (const { frame } of steps(call, model, events)) yield `data: ${JSON.stringify(frame)}\n\n`;
}

/** What the caller said; what nobody said is the model's or the server's. */
function settingsOf({ request, stream }: NativeCall): Record<string, unknown> {
  return {
    ...spelled(request.sampling),
    n_predict: request.maxTokens ?? -1,
    n_probs: request.topLogprobs ?? 0,
    stop: request.stop,
    stream,
  };
}

function probability(token: TokenLogprob): object {
  const entry = (each: Pick<TokenLogprob, "token" | "bytes" | "logprob">) => ({ id: each.token, ...chatEntry(each) });
  return { ...entry(token), top_logprobs: token.top.map(entry) };
}

/** "timings/prompt_n" is the name that it gets; what is not there is left out. */
function only(paths: readonly string[], answer: object): Record<string, unknown> {
  const step = (at: unknown, key: string) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined);
  const found = paths.map((path) => [path, path.split("/").reduce<unknown>(step, answer)] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
