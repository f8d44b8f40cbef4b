/**
 * Small files that are never half there: aliases, caches, lock files, records of pulls. Called by whoever keeps one. It must not know
 * what is in them.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** For the user alone. */
const PRIVATE = 0o600;

/** A new file takes the old one's place, on the disk when it resolves. @throws what the file system throws. */
export async function writeWhole(path: string, text: string, mode = PRIVATE): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.${randomUUID()}.part`;
  try {
    const handle = await open(part, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
