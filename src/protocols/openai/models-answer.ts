/** What GET /v1/models and /v1/models/{id} answer, for /openapi.json: `WireModel` of models.ts, told to programs. */
import * as z from "zod/mini";

const count = z.int().check(z.gte(0));
const tokens = count.check(z.describe("Tokens one request may use here."));

/** Of a loaded model only: all but the first four. */
const meta = z.object({
  n_ctx: count,
  n_ctx_train: count,
  n_params: count,
  size: count.check(z.describe("Bytes.")),
  n_slots: z.optional(count),
  n_threads: z.optional(count),
  n_batch: z.optional(count),
  step_ms: z.optional(z.number()),
  kv_type: z.optional(z.string()),
  kv_unified: z.optional(z.boolean()),
  kv_cells: z.optional(count),
  kv_store_tokens: z.optional(count),
  flash_attention: z.optional(z.enum(["auto", "on", "off"])),
  devices: z.optional(z.array(z.string())),
  n_gpu_layers: z.optional(count),
  n_cpu_moe: z.optional(count),
});

export const modelAnswer = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int().check(z.describe("Seconds since the epoch: the time of its file.")),
  owned_by: z.string(),
  parent: z.optional(z.string().check(z.describe("Of a LoRA adapter: the model that it changes."))),
  context_length: tokens,
  max_model_len: tokens,
  max_context_length: tokens,
  meta,
  size: count.check(z.describe("Bytes.")),
  quantization: z.string(),
  family: z.string(),
  architecture: z.string(),
  loaded: z.boolean(),
  status: z.object({ value: z.enum(["unloaded", "loading", "loaded", "failed"]) }),
  capabilities: z.array(z.string()),
  aliases: z.array(z.string()).check(z.describe("The other names it answers to.")),
  type: z.enum(["llm", "embeddings"]),
  chat_template: z.nullable(z.string()).check(z.describe("The well-known format of its chat template; null: it has none.")),
  license: z.optional(z.string()),
  digest: z.optional(z.string()),
});

export const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelAnswer) });
