/** The small JSON beside a stored file, read without trust: somebody may have edited it. Called by store.ts. */
import { readFile } from "node:fs/promises";
import type { StoredFile } from "../contract/files.ts";

/** Undefined: there is none, or it is not what was written. */
export async function readFileRecord(path: string): Promise<StoredFile | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  try {
    return asStoredFile(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asStoredFile(value: unknown): StoredFile | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, bytes, createdAt, expiresAt, filename, purpose, owner } = value as Record<string, unknown>;
  if (typeof id !== "string" || typeof filename !== "string" || typeof purpose !== "string") return undefined;
  if (!isCount(bytes) || !isCount(createdAt)) return undefined;
  if (expiresAt !== undefined && !isCount(expiresAt)) return undefined;
  if (owner !== undefined && typeof owner !== "string") return undefined;
  return { id, bytes, createdAt, filename, purpose, ...(expiresAt !== undefined && { expiresAt }), ...(owner !== undefined && { owner }) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
