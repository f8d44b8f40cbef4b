/**
 * Files in OpenAI's shape: the fields of an upload, the query of a list, the object that is told. Called by server/api/.
 * Source: platform.openai.com/docs/api-reference/files, resources/files.d.ts of its client.
 */
import type { FileObject } from "openai/resources/files";
import * as z from "zod/mini";
import type { StoredFile } from "../../contract/files.ts";
import { wholeRange } from "./schema.ts";
import { invalid, validate } from "./validate.ts";

/** From an hour to thirty days after the creation; `anchor` has one value. */
export const expiresAfter = z.nullish(
  z.object({ anchor: z.literal("created_at"), seconds: z.number().check(z.multipleOf(1), z.gte(3600), z.lte(2_592_000)) }),
);

export const fileFieldsSchema = z.object({
  purpose: z.enum(["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]),
  expires_after: expiresAfter,
});

/** An upload as the document shows it. */
export const fileUploadSchema = z.extend(fileFieldsSchema, { file: z.string().check(z.describe("The content of the file")) });

const order = z.nullish(z.enum(["asc", "desc"]));
export const fileQuery = { purpose: z.nullish(z.string()), limit: wholeRange(1, 10_000), after: z.nullish(z.string()), order };

const purposes = z.enum([
  "assistants",
  "assistants_output",
  "batch",
  "batch_output",
  "fine-tune",
  "fine-tune-results",
  "vision",
  "user_data",
  "evals",
]);

export const fileSchema = z.object({
  id: z.string(),
  object: z.literal("file"),
  bytes: z.number(),
  created_at: z.number(),
  expires_at: z.optional(z.number()),
  filename: z.string(),
  purpose: purposes,
  status: z.literal("processed"),
});
export type WireFile = z.output<typeof fileSchema>;

export interface FileFields {
  readonly purpose: string;
  readonly expiresAfterMs?: number;
}

/** @param form the text fields; clients write nested ones as `expires_after[seconds]`. @throws invalid_value */
export function decodeFileFields(form: ReadonlyMap<string, string>): FileFields {
  const anchor = form.get("expires_after[anchor]");
  const seconds = form.get("expires_after[seconds]");
  const given = anchor !== undefined || seconds !== undefined;
  const { purpose, expires_after: lifetime } = validate(fileFieldsSchema, {
    purpose: form.get("purpose"),
    ...(given && { expires_after: { anchor, seconds: seconds === undefined ? undefined : Number(seconds) } }),
  });
  return { purpose, ...(lifetime && { expiresAfterMs: lifetime.seconds * 1000 }) };
}

export function encodeFile({ id, bytes, createdAt, expiresAt, filename, purpose }: StoredFile): WireFile {
  return {
    id,
    object: "file",
    bytes,
    created_at: Math.floor(createdAt / 1000),
    ...(expiresAt !== undefined && { expires_at: Math.floor(expiresAt / 1000) }),
    filename,
    purpose: purpose as FileObject["purpose"],
    status: "processed",
  };
}

/** @throws invalid_value */
export function encodeFiles(files: readonly StoredFile[], query: URLSearchParams) {
  const fields = validate(z.object(fileQuery), queryObject(query));
  const wanted = fields.purpose ? files.filter(({ purpose }) => purpose === fields.purpose) : files;
  const ordered = fields.order === "asc" ? [...wanted].reverse() : wanted;
  return page(ordered, encodeFile, fields.after, fields.limit ?? 10_000);
}

/** Numbers as numbers, so that the schema of a body judges them. */
export function queryObject(query: URLSearchParams): Record<string, unknown> {
  return Object.fromEntries([...query].map(([name, value]) => [name, name === "limit" && /^\d+$/.test(value) ? Number(value) : value]));
}

/** What stands behind `after`: cursor pages ask on with the last id. @throws invalid_value when it is gone, or a client would begin anew. */
export function page<T extends { readonly id: string }, Wire>(
  items: readonly T[],
  encode: (item: T) => Wire,
  after: string | null | undefined,
  limit: number,
) {
  const start = after ? items.findIndex(({ id }) => id === after) + 1 : 0;
  if (after && start === 0) throw invalid("after", "there is nothing of that id in this list");
  const shown = items.slice(start, start + limit);
  return {
    object: "list" as const,
    data: shown.map(encode),
    first_id: shown[0]?.id ?? null,
    last_id: shown.at(-1)?.id ?? null,
    has_more: start + limit < items.length,
  };
}
