/**
 * Puts the files of a template on the disk: first all are compared, then all are written, each whole. Called by cli/init.ts; it must
 * not know what is in them.
 */
import { randomUUID } from "node:crypto";
import { chmod, constants, copyFile, link, lstat, mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { ShimmyError } from "../../contract/errors.ts";
import { unifiedDiff } from "./diff.ts";
import type { TemplateFile } from "./template.ts";

export interface Comparison {
  readonly file: TemplateFile;
  /** Absolute. */
  readonly path: string;
  readonly state: "new" | "same" | "differs";
  /** Of what differs: a unified diff, or why there is none. */
  readonly diff?: string;
}

const READABLE = 0o644;
/** What is larger was not written by a template. */
const LARGEST_SHOWN = 1024 ** 2;

/** Changes nothing. @throws cannot_write where something stands in the way that is no file */
export async function compareFiles(folder: string, files: readonly TemplateFile[]): Promise<readonly Comparison[]> {
  return Promise.all(files.map((file) => compareFile(folder, file)));
}

async function compareFile(folder: string, file: TemplateFile): Promise<Comparison> {
  if (isAbsolute(file.path) || file.path.split(/[\\/]/).includes("..")) throw new Error(`${file.path} is not below the folder`);
  const path = resolve(folder, file.path);
  try {
    await staysInside(folder, path);
    // Not what a link leads to: it may lie elsewhere, or not be there yet.
    const found = await lstat(path);
    if (found.isSymbolicLink()) throw new ShimmyError("cannot_write", { path, reason: "it is a link; take it away or write elsewhere" });
    if (!found.isFile()) throw new ShimmyError("cannot_write", { path, reason: "it is there and is no file" });
    if (found.size > LARGEST_SHOWN) return { file, path, state: "differs", diff: `${file.path}: ${found.size} bytes, not shown` };
    const before = await readFile(path, "utf8");
    if (before === file.text) return { file, path, state: "same" };
    return { file, path, state: "differs", diff: unifiedDiff(file.path, before, file.text) };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { file, path, state: "new" };
    throw refused(path, error);
  }
}

/** A folder below may be a link; one that leads out of the folder would have files written where nobody named. @throws cannot_write */
async function staysInside(folder: string, path: string): Promise<void> {
  const root = await realpath(folder).catch(absent);
  // What is not there is made, below what is there.
  let parent = dirname(path);
  let real = await realpath(parent).catch(absent);
  while (real === undefined && parent !== resolve(folder)) {
    parent = dirname(parent);
    real = await realpath(parent).catch(absent);
  }
  if (root === undefined || real === undefined) return;
  const way = relative(root, real);
  if (isAbsolute(way) || way.split(/[\\/]/)[0] === "..")
    throw new ShimmyError("cannot_write", { path, reason: "a link on the way leads out of the folder" });
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

/**
 * Writes what is new, and with `force` what differs.
 * @throws file_exists, before anything is written, if something differs without `force`, or if a file appeared since the comparison.
 */
export async function writeFiles(comparisons: readonly Comparison[], force: boolean): Promise<void> {
  const different = comparisons.filter(({ state }) => state === "differs").map(({ file }) => file.path);
  if (different.length > 0 && !force) throw new ShimmyError("file_exists", { files: different.join(", ") });
  for (const { file, path, state } of comparisons) if (state !== "same") await writeOne(path, file, force);
}

async function writeOne(path: string, { text, mode = READABLE }: TemplateFile, force: boolean): Promise<void> {
  const part = `${path}.${randomUUID()}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(part, text, { flag: "wx", mode });
    // A umask may have taken the bit that makes a script executable for its owner.
    if (mode & constants.S_IXUSR) await chmod(part, mode);
    await (force ? rename(part, path) : putNew(part, path));
  } catch (error) {
    throw refused(path, error);
  } finally {
    await rm(part, { force: true });
  }
}

/** Unlike a rename it never takes the place of a file that appeared meanwhile. Some file systems have no links. */
async function putNew(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw error;
    await copyFile(part, path, constants.COPYFILE_EXCL);
  }
}

function refused(path: string, error: unknown): ShimmyError {
  if (error instanceof ShimmyError) return error;
  if (codeOf(error) === "EEXIST") return new ShimmyError("file_exists", { files: path });
  return new ShimmyError("cannot_write", { path, reason: codeOf(error) ?? String(error) }, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
