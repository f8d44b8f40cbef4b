/**
 * The answers of llama-server's GET /props and GET /slots (get_res_props and server_slot::to_json of llama.cpp's tools/server), as far as
 * they are true of this server: fields of samplers and modes that it does not have are left out. Never a path of the disk, never a text
 * that somebody asked. Called by the routes of server/api/native.ts.
 */
import * as z from "zod/mini";
import type { SamplingParams } from "../../contract/generation.ts";
import type { ModelProperties, SlotStatus } from "../../contract/inspection.ts";
import { spelled } from "../../contract/sampling-names.ts";

/** LLAMA_DEFAULT_SEED: a new one for each answer. */
const RANDOM_SEED = 2 ** 32 - 1;

const count = z.int().check(z.gte(0));

export const propertiesAnswer = z.object({
  default_generation_settings: z.object({
    n_ctx: count.check(z.describe("Tokens one request may use.")),
    params: z.looseObject({ temperature: z.number(), top_k: z.int(), top_p: z.number(), n_predict: z.int(), seed: z.int() }),
  }),
  total_slots: count.check(z.describe("Sequences that run at once.")),
  model_alias: z.string(),
  model_ftype: z.string(),
  model_path: z.string().check(z.describe("The model's id: paths of the disk are never told.")),
  chat_template: z.string(),
  chat_template_caps: z.record(z.string(), z.boolean()),
  bos_token: z.nullable(z.string()).check(z.describe("null while the model is not loaded.")),
  eos_token: z.nullable(z.string()).check(z.describe("null while the model is not loaded.")),
  modalities: z.object({ vision: z.boolean(), video: z.boolean(), audio: z.boolean() }),
  endpoint_slots: z.boolean(),
  endpoint_props: z.boolean(),
  endpoint_metrics: z.boolean(),
  build_info: z.string(),
  is_sleeping: z.boolean().check(z.describe("The model is not loaded; the next request loads it. The figures are those it would have.")),
});

export const slotsAnswer = z.array(
  z.object({
    id: count.check(z.describe("Unique within its model.")),
    model: z.string(),
    n_ctx: count,
    is_processing: z.boolean(),
    n_prompt_tokens: z.optional(count.check(z.describe("Of the prompt it works on."))),
    n_prompt_tokens_processed: z.optional(count.check(z.describe("Those of them that were computed so far."))),
    n_prompt_tokens_cache: z.optional(count.check(z.describe("Those of them that were in the cache."))),
    next_token: z.optional(z.array(z.object({ has_next_token: z.boolean(), n_decoded: count }))),
  }),
);

/** @param version of Shimmy */
export function encodeProperties(properties: ModelProperties, version: string): z.output<typeof propertiesAnswer> {
  const { status, slots, chatTemplate = "", bosText = null, eosText = null } = properties;
  const { info, state, servedContext } = status;
  return {
    default_generation_settings: { n_ctx: servedContext, params: paramsOf(properties) },
    total_slots: slots,
    model_alias: info.id,
    model_ftype: info.quantization,
    model_path: info.id,
    chat_template: chatTemplate,
    chat_template_caps: { supports_tools: info.capabilities?.includes("tools") ?? false },
    bos_token: bosText,
    eos_token: eosText,
    modalities: { vision: false, video: false, audio: false },
    endpoint_slots: true,
    endpoint_props: false,
    endpoint_metrics: true,
    build_info: `shimmy-${version}`,
    is_sleeping: state !== "loaded",
  };
}

function paramsOf({ sampling, stop, maxTokens = -1 }: ModelProperties) {
  const { temperature, topK, topP } = sampling;
  return {
    ...spelled(sampling),
    ...{ temperature, top_k: topK, top_p: topP, seed: sampling.seed ?? RANDOM_SEED },
    n_predict: maxTokens,
    max_tokens: maxTokens,
    stop,
    samplers: samplersOf(sampling),
    n_probs: 0,
    stream: false,
  };
}

/** By llama-server's names, in the order in which they are applied (llama/sampler.ts). */
function samplersOf({ mirostat }: SamplingParams): string[] {
  return mirostat === 0 ? ["penalties", "top_k", "typ_p", "top_p", "min_p", "temperature"] : ["penalties", "temperature"];
}

export function encodeSlots(models: ReadonlyArray<{ readonly model: string; readonly slots: readonly SlotStatus[] }>) {
  return models.flatMap(({ model, slots }) => slots.map((slot) => encodeSlot(model, slot)));
}

function encodeSlot(model: string, { id, contextTokens, work }: SlotStatus): z.output<typeof slotsAnswer>[number] {
  const idle = { id, model, n_ctx: contextTokens, is_processing: work !== undefined };
  if (!work) return idle;
  const { promptTokens, cachedTokens, computedTokens, generatedTokens } = work;
  return {
    ...idle,
    n_prompt_tokens: promptTokens,
    n_prompt_tokens_processed: computedTokens,
    n_prompt_tokens_cache: cachedTokens,
    next_token: [{ has_next_token: true, n_decoded: generatedTokens }],
  };
}
