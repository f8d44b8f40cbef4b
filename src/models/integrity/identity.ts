/**
 * Which file this is, as far as it can be told without reading it. Called by the other files of this folder. A file that has the same
 * identity has not been written or replaced since: the change time is the kernel's own and cannot be set by a program.
 */
import { stat } from "node:fs/promises";

export interface FileIdentity {
  readonly size: number;
  /** Milliseconds since the epoch, with fractions where the file system has them. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

/** @throws what `stat` throws. */
export async function identityOf(path: string): Promise<FileIdentity> {
  const { size, mtimeMs, ctimeMs, ino: inode } = await stat(path);
  return { size, mtimeMs, ctimeMs, inode };
}

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.inode === b.inode;
}
