/**
 * Files in OpenAI's shape: the fields of an upload, the query of a list, the object that is told. Called by server/api/.
 * Source: platform.openai.com/docs/api-reference/files, resources/files.d.ts of its client.
 */
import type { FileObject } from "openai/resources/files";
import * as z from "zod/mini";
import type { StoredFile } from "../../contract/files.ts";
import { orderQuery, page, pageQuery, queryFields } from "./page.ts";
import { validate } from "./validate.ts";

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

export const fileQuery = { purpose: z.nullish(z.string()), ...pageQuery(10_000), order: orderQuery };

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
  const fields = queryFields(fileQuery, query);
  const wanted = fields.purpose ? files.filter(({ purpose }) => purpose === fields.purpose) : files;
  const ordered = fields.order === "asc" ? [...wanted].reverse() : wanted;
  return page(ordered, encodeFile, fields.after, fields.limit ?? 10_000);
}
