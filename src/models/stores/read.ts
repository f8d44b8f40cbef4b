/** Small files that stores keep beside their models, read with a limit: whoever writes them is not trusted to write little. */
import { constants, open, readdir } from "node:fs/promises";

/** Nearly all of them are smaller: one read then, without asking for the size. */
const USUAL_BYTES = 16 * 1024;
/** A named pipe would wait for its writer. Windows has no such flag. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** @returns undefined if it is not there, not a file, too large or not to be read: a store without it still has models. */
export async function readSmallText(path: string, maxBytes = 1024 * 1024): Promise<string | undefined> {
  const file = await open(path, FLAGS).catch(() => undefined);
  if (!file) return undefined;
  try {
    const start = Buffer.allocUnsafe(Math.min(USUAL_BYTES, maxBytes + 1));
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    if (bytesRead < start.length) return start.toString("utf8", 0, bytesRead);
    const info = await file.stat();
    return info.isFile() && info.size <= maxBytes ? await file.readFile("utf8") : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** The object in a JSON file; undefined for anything else. */
export async function readSmallJson(path: string, maxBytes?: number): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await readSmallText(path, maxBytes);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names of the folders in a folder, links to folders too, sorted; undefined if it cannot be read. */
export async function foldersIn(path: string): Promise<string[] | undefined> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  return entries
    ?.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
}
