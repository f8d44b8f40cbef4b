/**
 * Reads the header of a GGUF file, version 2 or 3: metadata and where each tensor lies. Tensor data is never read.
 * Called by `model-file.ts`. It must not know what makes a header a usable model: that is `acceptance.ts`.
 * Format: ggml docs/gguf.md; it refuses what gguf_init_from_file (ggml/src/gguf.cpp, llama.cpp v0.4.0) refuses, and what makes that one slow.
 *
 *   magic version tensors entries │ key type value … │ name dims… type offset … │ padding │ tensor data, aligned, without gaps
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { ShimmyError } from "../../contract/errors.ts";
import { Cursor } from "./cursor.ts";
import { type GgufTensor, readTensors } from "./tensors.ts";
import { type GgufValue, readMetadata } from "./values.ts";

export interface GgufHeader {
  readonly version: 2 | 3;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  /** Where the tensor data starts, in bytes from the start of the file. */
  readonly dataOffset: number;
  readonly fileBytes: number;
  /** Milliseconds since the epoch, of the file that was read. */
  readonly modifiedMs: number;
}

const FIXED_BYTES = 24;

/**
 * `checksVocabulary`: whether to look for tokens that are there twice, which takes most of the time and memory.
 * @throws model_file_missing when there is no file, model_file_invalid with a precise reason for anything else that is not a whole,
 *   valid GGUF file.
 */
export async function readGgufHeader(path: string, { checksVocabulary = true } = {}): Promise<GgufHeader> {
  try {
    // Opening a named pipe would wait for its writer, so the kind of file is asked first.
    if (!(await stat(path)).isFile()) throw new ShimmyError("model_file_invalid", { path, reason: "not a regular file" });
    return await readOpened(await open(path, "r"), path, checksVocabulary);
  } catch (error) {
    throw asModelFileError(error, path);
  }
}

async function readOpened(file: FileHandle, path: string, checksVocabulary: boolean): Promise<GgufHeader> {
  try {
    const { size, mtimeMs } = await file.stat();
    return await parse(new Cursor(file, path, size), size, mtimeMs, checksVocabulary);
  } finally {
    await file.close();
  }
}

async function parse(cursor: Cursor, fileBytes: number, modifiedMs: number, checksVocabulary: boolean): Promise<GgufHeader> {
  await checkMagic(cursor, fileBytes);
  const version = checkVersion(cursor);
  const tensorCount = cursor.size64("the number of tensors");
  const entryCount = cursor.size64("the number of metadata entries");
  const { metadata, alignment } = await readMetadata(cursor, entryCount, checksVocabulary);
  const { tensors, dataOffset } = await readTensors(cursor, tensorCount, alignment, fileBytes);
  return { version, metadata, tensors, dataOffset, fileBytes, modifiedMs };
}

async function checkMagic(cursor: Cursor, fileBytes: number): Promise<void> {
  if (fileBytes === 0) cursor.fail("the file is empty");
  const start = await cursor.bytes(Math.min(4, fileBytes), "the magic");
  if (start.toString("latin1") === "GGUF") {
    await cursor.need(FIXED_BYTES - 4, "the header");
    return;
  }
  const shown = JSON.stringify(start.toString("latin1"));
  if (start.toString("latin1") === "vers")
    cursor.fail("not a GGUF file: it looks like a Git LFS pointer, whose content was not downloaded");
  cursor.fail(`not a GGUF file (magic ${shown})`);
}

function checkVersion(cursor: Cursor): 2 | 3 {
  const version = cursor.u32();
  if (version === 2 || version === 3) return version;
  if (version !== 0 && (version & 0xffff) === 0) cursor.fail("a big-endian GGUF file, which this machine cannot use");
  return cursor.fail(`GGUF version ${version} is not supported, only 2 and 3`);
}

function asModelFileError(error: unknown, path: string): unknown {
  if (error instanceof ShimmyError || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  if (code === "ENOENT" || code === "ENOTDIR") return new ShimmyError("model_file_missing", { path }, { cause: error });
  const reason = code === "EACCES" || code === "EPERM" ? "no permission to read it" : `it cannot be read (${code})`;
  return new ShimmyError("model_file_invalid", { path, reason }, { cause: error });
}
