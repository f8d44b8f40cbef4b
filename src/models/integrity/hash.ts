/**
 * SHA-256 of a file of any size, a piece at a time: one buffer of memory, and the event loop gets its turn after each piece (about a
 * millisecond of work). Called by `integrity.ts`.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { type FileIdentity, identityOf, sameIdentity } from "./identity.ts";

const PIECE_BYTES = 1024 * 1024;

export interface HashOptions {
  readonly signal?: AbortSignal;
  /** After each piece. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface Hashed {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly identity: FileIdentity;
}

/**
 * @throws the signal's reason; what the file system throws; an Error when the file changed meanwhile, so that its digest means nothing.
 */
export async function hashFile(path: string, { signal, onProgress }: HashOptions = {}): Promise<Hashed> {
  const identity = await identityOf(path);
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  const file = await open(path, "r");
  try {
    for (let done = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, done);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
      onProgress?.(done, identity.size);
    }
  } finally {
    await file.close();
  }
  if (!sameIdentity(identity, await identityOf(path))) throw new Error("the file changed while it was read");
  return { sha256: hash.digest("hex"), identity };
}
