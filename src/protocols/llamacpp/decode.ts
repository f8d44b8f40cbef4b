/**
 * The bodies of llama-server's own POST /completion and POST /infill → a `NativeCall`. Called by the server with parsed JSON. Source:
 * tools/server/README.md of llama.cpp. What sampling they share with OpenAI's dialect is decoded there; what an engine of ours cannot do
 * (samplers in another order, a time limit, indentation) is ignored, as fields of a newer llama-server would be.
 */
import * as z from "zod/mini";
import type { GenerationRequest, Prompt } from "../../contract/generation.ts";
import { documentedAs } from "../document.ts";
import { promptField, promptsOf } from "../openai/completions/prompts.ts";
import { constraintOf } from "../openai/constraint.ts";
import { commonCall } from "../openai/request.ts";
import { commonFields, endFields, wholeRange } from "../openai/schema.ts";
import { boundedArray, invalid, validate } from "../openai/validate.ts";
import type { DecodeContext, ProtocolCall } from "../protocol.ts";

export interface NativeCall extends ProtocolCall {
  /** Paths such as "timings/predicted_ms", which become the names of the only fields that are told. */
  readonly fields?: readonly string[];
  /** Whether `tokens` lists the ids. */
  readonly tellsTokens: boolean;
  /** Whether `completion_probabilities` is told. */
  readonly tellsProbabilities: boolean;
}

const MAX_FILES = 256;
const MAX_FIELDS = 256;

const nativeFields = {
  ...commonFields,
  ...endFields,
  /** As OpenAI's object here; pairs have become one before it is judged. */
  logit_bias: documentedAs(
    commonFields.logit_bias,
    z.nullish(z.union([z.record(z.string(), z.number()), z.array(z.tuple([z.number(), z.union([z.number(), z.literal(false)])]))])),
  ),
  /** Answers to a prompt. */
  n_cmpl: commonFields.n,
  /** Alternatives a token; 0: no probabilities. */
  n_probs: wholeRange(0, 20),
  /** Tells the ids of the tokens. */
  return_tokens: z.nullish(z.boolean()),
  /** Tells these fields only; a slash goes into one. */
  response_fields: z.nullish(boundedArray(z.string(), MAX_FIELDS)),
};

export const completionSchema = z.object({
  ...nativeFields,
  prompt: promptField,
});

export const infillSchema = z.object({
  ...nativeFields,
  input_prefix: z.string(),
  input_suffix: z.string(),
  /** Other files of the repository. */
  input_extra: z.nullish(boundedArray(z.object({ text: z.string(), filename: z.nullish(z.string()) }), MAX_FILES)),
  /** What was typed after the prefix. */
  prompt: z.nullish(z.string()),
});

/** What llama-server calls a file without a name. */
const UNNAMED_FILE = "tmp";

export function decodeCompletion(body: unknown, context: DecodeContext): NativeCall {
  const given = withBiases(body);
  const fields = validate(completionSchema, given);
  return nativeCall(given, fields, promptsOf(fields.prompt), context);
}

export function decodeInfill(body: unknown, context: DecodeContext): NativeCall {
  const given = withBiases(body);
  const fields = validate(infillSchema, given);
  const files = (fields.input_extra ?? []).map(({ text, filename }) => ({ name: filename ?? UNNAMED_FILE, text }));
  const prefix = fields.input_prefix + (fields.prompt ?? "");
  return nativeCall(given, fields, [{ kind: "infill", prefix, suffix: fields.input_suffix, files }], context);
}

type NativeFields = z.output<typeof infillSchema> | z.output<typeof completionSchema>;

function nativeCall(body: unknown, fields: NativeFields, prompts: readonly Prompt[], context: DecodeContext): NativeCall {
  const constraint = constraintOf(body as object);
  const { request, stream } = commonCall({ ...fields, n: fields.n_cmpl ?? fields.n }, "cmpl", context);
  const probabilities = fields.n_probs ?? 0;
  const tellsTokens = fields.return_tokens ?? false;
  const batch = prompts.map((prompt, index): GenerationRequest => {
    const id = index === 0 ? request.id : `${request.id}.${index}`;
    const topLogprobs = probabilities > 0 || tellsTokens ? { topLogprobs: probabilities } : {};
    return { ...request, id, ...(constraint && { constraint }), ...topLogprobs, prompt };
  });
  return {
    request: batch[0]!,
    ...(batch.length > 1 && { batch }),
    stream,
    tellsTokens,
    tellsProbabilities: probabilities > 0,
    ...(fields.response_fields?.length && { fields: fields.response_fields }),
  };
}

/** `[[15043, 1.5], [2, false]]` beside OpenAI's object; false bans the token. */
function withBiases(body: unknown): unknown {
  const list = (body as { logit_bias?: unknown } | null)?.logit_bias;
  if (!Array.isArray(list)) return body;
  const pairs = list.map((pair: unknown) => {
    if (!Array.isArray(pair) || typeof pair[0] !== "number") throw invalid("logit_bias", "must hold pairs of a token id and a bias");
    return [pair[0], pair[1] === false ? -100 : pair[1]];
  });
  return { ...(body as object), logit_bias: Object.fromEntries(pairs) };
}
