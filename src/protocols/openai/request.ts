/**
 * Checked fields → the parts of a request and of a call that both endpoints share.
 * Called by the decoders of chat/ and completions/, which add the prompt.
 */
import type * as z from "zod/mini";
import type { GenerationRequest, SamplingParams } from "../../contract/generation.ts";
import { keepAliveMs } from "../../contract/keep-alive.ts";
import type { DecodeContext, ProtocolCall } from "../protocol.ts";
import type { commonFields, endFields, limitFields, samplingFields } from "./schema.ts";

type Checked<Fields extends z.core.$ZodLooseShape> = z.output<z.ZodMiniObject<Fields>>;

/** A call of either endpoint. */
export interface OpenAICall extends ProtocolCall {
  /** `chatcmpl-…` or `cmpl-…`. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly includeUsage: boolean;
  /** Usage so far on every chunk; as in vLLM it counts only together with `includeUsage`. */
  readonly continuousUsage: boolean;
}

/** Of all prompts of a call together. */
export function choicesOf({ request, batch = [request] }: ProtocolCall): number {
  return request.choices * batch.length;
}

/** A missing model is asked for by this name, which no file has, so the pool answers with its default. */
export const UNNAMED_MODEL = "default";
const INT32_MAX = 2 ** 31 - 1;
const UINT32 = 2 ** 32;

/** What is left to the endpoint: the prompt and the logprobs, which the two spell differently. */
export function commonCall(
  fields: Checked<typeof commonFields> & Partial<Checked<typeof endFields>>,
  prefix: string,
  context: DecodeContext,
): Omit<OpenAICall, "request"> & { readonly request: Omit<GenerationRequest, "prompt"> } {
  const includeUsage = fields.stream_options?.include_usage ?? false;
  const maxTokens = limitOf(fields, context.defaults.maxTokens);
  const keepAlive = keepAliveMs(fields.keep_alive ?? fields.ttl);
  return {
    id: `${prefix}-${context.requestId}`,
    created: Math.floor(context.now / 1000),
    stream: fields.stream ?? false,
    includeUsage,
    continuousUsage: includeUsage && (fields.stream_options?.continuous_usage_stats ?? false),
    request: {
      id: context.requestId,
      model: fields.model || UNNAMED_MODEL,
      choices: fields.n ?? 1,
      stop: stopsOf(fields.stop),
      sampling: samplingOf(fields),
      ...(maxTokens !== undefined && { maxTokens }),
      ...(fields.cache_prompt === false && { cachePrompt: false }),
      ...(typeof fields["speculative.n_max"] === "number" && { maxDraft: fields["speculative.n_max"] }),
      ...(fields.ignore_eos && { ignoreEnd: true }),
      ...(fields.return_progress && fields.stream && { progress: true }),
      ...(keepAlive !== undefined && { keepAliveMs: keepAlive }),
    },
  };
}

/** The newest name wins where a caller sends several. */
function limitOf(fields: Checked<typeof limitFields>, byDefault: number | undefined): number | undefined {
  const limit =
    fields.max_completion_tokens ?? fields.max_tokens ?? fields.max_output_tokens ?? fields.n_predict ?? fields.num_predict ?? byDefault;
  return limit === undefined || limit < 0 ? undefined : Math.min(limit, INT32_MAX);
}

/** An empty stop string would match everywhere; callers send `[""]` and mean none. */
function stopsOf(stop: string | string[] | null | undefined): readonly string[] {
  return [stop ?? []].flat().filter((text) => text !== "");
}

/** Only what the caller said: the rest is the model's or the server's. */
function samplingOf(fields: Checked<typeof samplingFields>): Partial<SamplingParams> {
  const said = {
    temperature: fields.temperature,
    topK: fields.top_k && Math.max(0, fields.top_k),
    topP: fields.top_p,
    minP: fields.min_p,
    typicalP: fields.typical_p,
    repeatPenalty: fields.repeat_penalty ?? fields.repetition_penalty,
    repeatLastN: fields.repeat_last_n,
    frequencyPenalty: fields.frequency_penalty,
    presencePenalty: fields.presence_penalty,
    logitBias: fields.logit_bias && Object.entries(fields.logit_bias).map(([token, bias]) => [Number(token), bias] as const),
    mirostat: fields.mirostat,
    mirostatTau: fields.mirostat_tau,
    mirostatEta: fields.mirostat_eta,
    seed: seedOf(fields.seed),
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null && value !== undefined));
}

/** To 32 bits without a sign. −1 is "draw one" of llama.cpp and Ollama; its unsigned twin means the same to libllama. */
function seedOf(seed: number | null | undefined): number | undefined {
  if (seed === null || seed === undefined) return undefined;
  const folded = ((seed % UINT32) + UINT32) % UINT32;
  return folded === UINT32 - 1 ? undefined : folded;
}
