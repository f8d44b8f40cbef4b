/**
 * A file on its way: the bytes so far and which of them are there. Lies in `.partial` of the pull folder, hidden from every list.
 * Called by download.ts and pull.ts.
 *
 *   ROOT/.partial/KEY.part   the bytes, at their places        ROOT/.partial/KEY.json   what it will be, and how far each segment is
 */
import { createHash } from "node:crypto";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HubFile } from "./variants.ts";

export const PARTIAL_FOLDER = ".partial";

/** Of the one file that this partial is for. Another identity (the file changed on the hub) starts again. */
export interface PartialState {
  readonly version: 1;
  readonly repo: string;
  readonly path: string;
  readonly size: number;
  readonly oid: string;
  readonly segmentBytes: number;
  /** Bytes that are there, from the start of each segment. */
  readonly done: number[];
}

export interface PartialPaths {
  readonly part: string;
  readonly state: string;
}

/** A name of our own for what strangers named: hex digits only. */
export function keyOf(repo: string, path: string): string {
  return createHash("sha256").update(`${repo.toLowerCase()}\n${path}`).digest("hex").slice(0, 40);
}

export function partialPaths(root: string, repo: string, path: string): PartialPaths {
  const base = join(root, PARTIAL_FOLDER, keyOf(repo, path));
  return { part: `${base}.part`, state: `${base}.json` };
}

/** Held by whoever pulls or removes a model: by its first file, whose name follows from that of any other of its files. */
export function lockPath(root: string, repo: string, path: string): string {
  const first = path.replace(/-\d{5}(-of-\d{5}\.gguf)$/, "-00001$1");
  return join(root, PARTIAL_FOLDER, `${keyOf(repo, first)}.lock`);
}

export function freshState(repo: string, file: HubFile, segmentBytes: number): PartialState {
  const done = new Array<number>(Math.ceil(file.size / segmentBytes)).fill(0);
  return { version: 1, repo, path: file.path, size: file.size, oid: oidOf(file), segmentBytes, done };
}

/** What the content must be. */
export function oidOf({ sha256, gitOid }: HubFile): string {
  return sha256 ?? gitOid ?? "";
}

/** Undefined: there is none, or it cannot be trusted. */
export async function readState(path: string): Promise<PartialState | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as PartialState;
    return isSound(state) ? state : undefined;
  } catch {
    return undefined; // cut short by a crash: the file starts again
  }
}

function isSound({ version, repo, path, size, oid, segmentBytes, done }: PartialState): boolean {
  return (
    version === 1 &&
    [repo, path, oid].every((text) => typeof text === "string") &&
    Number.isSafeInteger(size) &&
    Number.isSafeInteger(segmentBytes) &&
    segmentBytes > 0 &&
    Array.isArray(done) &&
    done.length === Math.ceil(size / segmentBytes) &&
    done.every((bytes, index) => Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= segmentLength({ size, segmentBytes }, index))
  );
}

export function segmentLength({ size, segmentBytes }: Pick<PartialState, "size" | "segmentBytes">, index: number): number {
  return Math.min(segmentBytes, size - index * segmentBytes);
}

export function bytesDone({ done }: PartialState): number {
  return done.reduce((sum, bytes) => sum + bytes, 0);
}

/** In one step: a reader sees the old one or the new one. */
export async function writeState(path: string, state: PartialState): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
}

export async function discard({ part, state }: PartialPaths): Promise<void> {
  await Promise.all([rm(part, { force: true }), rm(state, { force: true })]);
}

/** All that were begun and not ended. Their places come from names of our own, never from what is written in them. */
export async function findPartials(root: string): Promise<Array<{ readonly state: PartialState; readonly paths: PartialPaths }>> {
  const folder = join(root, PARTIAL_FOLDER);
  const names = await readdir(folder).catch(() => []);
  const keys = names.flatMap((name) => /^([0-9a-f]{40})\.json$/.exec(name)?.[1] ?? []);
  const found = await Promise.all(
    keys.map(async (key) => {
      const paths = { part: join(folder, `${key}.part`), state: join(folder, `${key}.json`) };
      const state = await readState(paths.state);
      return state ? [{ state, paths }] : [];
    }),
  );
  return found.flat();
}
