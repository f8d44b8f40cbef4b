/**
 * Batches in OpenAI's shape: the body that asks for one, the object that is told, the query of a list. Called by server/api/.
 * Source: platform.openai.com/docs/api-reference/batch, resources/batches.d.ts of its client.
 */
import * as z from "zod/mini";
import { BATCH_ENDPOINTS, type Batch, type BatchWish } from "../../contract/batches.ts";
import { expiresAfter } from "./files.ts";
import { page, pageQuery, queryFields } from "./page.ts";
import { metadata } from "./schema.ts";
import { validate } from "./validate.ts";

export const batchBodySchema = z.object({
  input_file_id: z.string(),
  endpoint: z.enum(BATCH_ENDPOINTS),
  completion_window: z.literal("24h"),
  metadata,
  output_expires_after: expiresAfter,
});

export const batchQuery = pageQuery(100);

const time = z.optional(z.number());

export const batchSchema = z.object({
  id: z.string(),
  object: z.literal("batch"),
  endpoint: z.string(),
  model: z.optional(z.string()),
  errors: z.optional(
    z.object({
      object: z.literal("list"),
      data: z.array(z.object({ code: z.string(), message: z.string(), line: z.nullable(z.number()), param: z.nullable(z.string()) })),
    }),
  ),
  input_file_id: z.string(),
  completion_window: z.literal("24h"),
  status: z.enum(["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]),
  output_file_id: z.optional(z.string()),
  error_file_id: z.optional(z.string()),
  created_at: z.number(),
  in_progress_at: time,
  expires_at: time,
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  usage: z.optional(
    z.object({
      input_tokens: z.number(),
      input_tokens_details: z.object({ cached_tokens: z.number() }),
      output_tokens: z.number(),
      output_tokens_details: z.object({ reasoning_tokens: z.number() }),
      total_tokens: z.number(),
    }),
  ),
  metadata: z.nullable(z.record(z.string(), z.string())),
});
export type WireBatch = z.output<typeof batchSchema>;

/** @throws invalid_value */
export function decodeBatch(body: unknown): BatchWish {
  const { input_file_id, endpoint, metadata, output_expires_after: lifetime } = validate(batchBodySchema, body);
  return {
    inputFileId: input_file_id,
    endpoint,
    ...(metadata && { metadata }),
    ...(lifetime && { outputExpiresAfterMs: lifetime.seconds * 1000 }),
  };
}

export function encodeBatch(batch: Batch): WireBatch {
  const { id, endpoint, inputFileId, status, metadata, errors, outputFileId, errorFileId, counts, usage, model } = batch;
  return {
    id,
    object: "batch",
    endpoint,
    ...(model !== undefined && { model }),
    ...(errors && {
      errors: {
        object: "list",
        data: errors.map(({ code, message, line, param }) => ({ code, message, line: line ?? null, param: param ?? null })),
      },
    }),
    input_file_id: inputFileId,
    completion_window: "24h",
    status,
    ...(outputFileId !== undefined && { output_file_id: outputFileId }),
    ...(errorFileId !== undefined && { error_file_id: errorFileId }),
    ...times(batch),
    request_counts: counts,
    ...(usage && {
      usage: {
        input_tokens: usage.inputTokens,
        input_tokens_details: { cached_tokens: usage.cachedTokens },
        output_tokens: usage.outputTokens,
        output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
        total_tokens: usage.inputTokens + usage.outputTokens,
      },
    }),
    metadata: metadata ?? null,
  };
}

function times(batch: Batch) {
  const seconds = (ms: number) => Math.floor(ms / 1000);
  const told = <Name extends string>(name: Name, ms: number | undefined) =>
    (ms === undefined ? {} : { [name]: seconds(ms) }) as Partial<Record<Name, number>>;
  return {
    created_at: seconds(batch.createdAt),
    ...told("in_progress_at", batch.inProgressAt),
    expires_at: seconds(batch.expiresAt),
    ...told("finalizing_at", batch.finalizingAt),
    ...told("completed_at", batch.completedAt),
    ...told("failed_at", batch.failedAt),
    ...told("expired_at", batch.expiredAt),
    ...told("cancelling_at", batch.cancellingAt),
    ...told("cancelled_at", batch.cancelledAt),
  };
}

/** @throws invalid_value */
export function encodeBatches(batches: readonly Batch[], query: URLSearchParams) {
  const { limit, after } = queryFields(batchQuery, query);
  return page(batches, encodeBatch, after, limit ?? 20);
}
