/**
 * The fields that both endpoints of the OpenAI dialect share, and the ranges we serve. Fields not named here are ignored;
 * `null` is absent. Source: platform.openai.com/docs/api-reference, and llama.cpp's tools/server/README.md for the local ones.
 * Used by the decoders of chat/ and completions/.
 */
import * as z from "zod/mini";
import { keepAliveMs } from "../../contract/keep-alive.ts";
import { documentedAs } from "../document.ts";
import { boundedArray, boundedRecord, validate } from "./validate.ts";

const range = (min: number, max: number) => z.nullish(z.number().check(z.gte(min), z.lte(max)));

/** Not zod's `int`, which refuses what is beyond 2^53; callers send 64-bit seeds and huge limits. */
const whole = z.number().check(z.refine(Number.isInteger, "must be a whole number"));
const wholeBetween = (min: number, max: number) => documentedAs(whole.check(z.gte(min), z.lte(max)), shownAsInteger(min, max));
export const wholeRange = (min: number, max = Number.MAX_VALUE) => z.nullish(wholeBetween(min, max));

/** A document has no use for bounds beyond what JSON's readers can tell apart. */
function shownAsInteger(min: number, max: number) {
  return z.int().check(z.gte(Math.max(min, Number.MIN_SAFE_INTEGER)), z.lte(Math.min(max, Number.MAX_SAFE_INTEGER)));
}

const MAX_STOPS = 16;
const MAX_STOP_LENGTH = 1024;
const MAX_BIASES = 1024;
const MAX_CHOICES = 16;
/** Ids and counts become 32-bit integers in libllama. */
const INT32_MAX = 2 ** 31 - 1;

export const tokenId = wholeBetween(0, INT32_MAX);
/** The same for lists of millions, in a hundredth of the time. */
export function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= INT32_MAX;
}

/** However many. @throws invalid_value for the first that is none */
export function tokenList(items: readonly unknown[], at: string): readonly number[] {
  const wrong = items.findIndex((item) => !isTokenId(item));
  if (wrong >= 0) validate(tokenId, items[wrong], `${at}[${wrong}]`); // says what is wrong with it
  return items as readonly number[];
}

const stopString = z.string().check(z.maxLength(MAX_STOP_LENGTH));

/** `{"50256": -100}`. */
const bias = z.number().check(z.gte(-100), z.lte(100));
const logitBias = documentedAs(
  boundedRecord(z.string(), bias, MAX_BIASES).check(
    z.refine((entries) => Object.keys(entries).every(isTokenKey), 'its keys must be token ids, such as "50256"'),
  ),
  z
    .record(z.string().check(z.regex(/^[0-9]{1,10}$/)), bias)
    .check(z.describe('What is added to the logits of tokens, by their ids: {"50256": -100} bans one.')),
);

function isTokenKey(key: string): boolean {
  return /^\d{1,10}$/.test(key) && isTokenId(Number(key));
}

/** What callers remember with an object of theirs: OpenAI's limits. */
export const metadata = z.nullish(boundedRecord(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)), 16));

export const samplingFields = {
  // OpenAI ends at 2; local samplers with min_p are used well above it.
  temperature: range(0, 5),
  top_p: range(0, 1),
  top_k: wholeRange(-1, INT32_MAX),
  min_p: range(0, 1),
  typical_p: range(0, 1),
  // 0 would divide logits by nothing.
  repeat_penalty: range(0.01, 10),
  repetition_penalty: range(0.01, 10),
  repeat_last_n: wholeRange(-1, INT32_MAX),
  presence_penalty: range(-2, 2),
  frequency_penalty: range(-2, 2),
  mirostat: z.nullish(z.literal([0, 1, 2])),
  mirostat_tau: range(0, 100),
  mirostat_eta: range(0, 1),
  seed: wholeRange(-Number.MAX_VALUE),
  logit_bias: z.nullish(logitBias),
};

/** All the names under which callers send the limit; −1 is "no limit" of llama.cpp and LM Studio. */
export const limitFields = {
  max_completion_tokens: wholeRange(-1),
  max_tokens: wholeRange(-1),
  max_output_tokens: wholeRange(-1),
  n_predict: wholeRange(-1),
  num_predict: wholeRange(-1),
};

/** Of the endpoints at which llama-server and vLLM take it: the Responses API is none of them. */
export const endFields = {
  ignore_eos: z
    .nullish(z.boolean())
    .check(z.describe("llama-server's and vLLM's: true lets an answer end by its limit, a stop string or its grammar only.")),
};

export const keepAlive = z.nullish(
  documentedAs(
    z.unknown().check(z.refine((value) => keepAliveMs(value) !== undefined, 'must be seconds, a time such as "5m" or "1h30m", 0 or -1')),
    z
      .union([z.number(), z.string().check(z.regex(/^(-?[0-9]{1,6}|([0-9]{1,6}(ms|s|m|h))+)$/))])
      .check(
        z.describe('How long the model stays loaded after its last request: seconds, a time such as "5m" or "1h30m", 0 or -1 (for ever).'),
      ),
  ),
);

export const commonFields = {
  model: z.nullish(z.string()).check(z.describe("An id, an alias; absent: the server's default model.")),
  n: wholeRange(1, MAX_CHOICES),
  stop: z.nullish(z.union([stopString, boundedArray(stopString, MAX_STOPS)], { error: "must be a string or an array of strings" })),
  stream: z.nullish(z.boolean()),
  stream_options: z.nullish(z.object({ include_usage: z.nullish(z.boolean()), continuous_usage_stats: z.nullish(z.boolean()) })),
  user: z.nullish(z.string()),
  cache_prompt: z.nullish(z.boolean()).check(z.describe("llama-server's: false computes the whole prompt, whatever is in the cache.")),
  "speculative.n_max": wholeRange(0, INT32_MAX).check(
    z.describe("llama-server's: most tokens that speculation may guess at once; 0 turns it off for this request."),
  ),
  return_progress: z.nullish(z.boolean()).check(z.describe("llama-server's: chunks of a stream tell how far the prompt is.")),
  // Ollama's and LM Studio's.
  keep_alive: keepAlive,
  ttl: keepAlive,
  response_format: z.nullish(z.object({ type: z.string() })),
  ...samplingFields,
  ...limitFields,
};
