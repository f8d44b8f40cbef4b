/**
 * Whether anybody on this machine could replace a model: its file or its folder may be written by all. Called by `integrity.ts` and by the
 * commands that report on files. POSIX only: on Windows the mode says nothing.
 */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";

const WRITABLE_BY_ALL = 0o002;
/** In such a folder (/tmp) nobody can replace what another one owns. */
const STICKY = 0o1000;

/** @returns the file or its folder, whichever all may write; undefined if neither. */
export async function writableByAll(path: string): Promise<string | undefined> {
  if (process.platform === "win32") return undefined;
  for (const place of [path, dirname(path)]) {
    const mode = await stat(place).then(
      (stats) => stats.mode,
      () => 0,
    );
    const sticky = place !== path && (mode & STICKY) !== 0;
    if ((mode & WRITABLE_BY_ALL) !== 0 && !sticky) return place;
  }
  return undefined;
}
