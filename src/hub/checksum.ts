/** Whether a file is what the hub says. Called by pull.ts. Reads in small pieces: the gateway answers requests in between. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { ShimmyError } from "../contract/errors.ts";
import type { HubFile } from "./variants.ts";

const PIECE_BYTES = 256 * 1024;

/** Without any checksum on the hub (`git` always has one) nothing matches. @throws client_closed */
export async function matches(path: string, file: HubFile, signal: AbortSignal, onBytes: (completed: number) => void): Promise<boolean> {
  const hash = createHash(file.sha256 === undefined ? "sha1" : "sha256");
  if (file.sha256 === undefined) hash.update(`blob ${file.size}\0`);
  let completed = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
    if (signal.aborted) throw new ShimmyError("client_closed");
    hash.update(piece);
    completed += piece.length;
    onBytes(completed);
  }
  return completed === file.size && hash.digest("hex") === (file.sha256 ?? file.gitOid);
}
