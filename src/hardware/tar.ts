/**
 * Unpacks an npm package: a gzipped tar file with everything below `package/`. Called by install.ts once its checksum is right. Formats:
 * POSIX.1-2017 pax (ustar) as npm writes it; anything but plain files and folders is refused, and so is a name that leads out of the
 * target.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

const BLOCK = 512;
const EXECUTABLE = 0o111;

/** What is read of a stream at a time. */
class Blocks {
  #held: Buffer = Buffer.alloc(0);
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#held.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return undefined;
      this.#held = value;
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  async exactly(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const part = await this.some(left);
      if (!part) throw new Error("the archive ends in the middle");
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }
}

/** @throws when the archive is broken or holds what an npm package must not hold; what was written until then stays. */
export async function unpackPackage(archive: string, target: string): Promise<void> {
  const source = createReadStream(archive);
  const stream = source.pipe(createGunzip());
  source.once("error", (error) => stream.destroy(error));
  const blocks = new Blocks(stream);
  try {
    for (;;) {
      const header = await blocks.exactly(BLOCK);
      if (header.every((byte) => byte === 0)) return;
      await unpackEntry(blocks, entryOf(header), target);
    }
  } finally {
    stream.destroy();
    source.destroy();
  }
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly type: string;
}

function entryOf(header: Buffer): Entry {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (octal(header, 148, 8) !== sum) throw new Error("the archive is broken: a header has a wrong checksum");
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: octal(header, 124, 12),
    mode: octal(header, 100, 8),
    type: text(header, 156, 1),
  };
}

async function unpackEntry(blocks: Blocks, { name, size, mode, type }: Entry, target: string): Promise<void> {
  // A folder is made with the first file in it; "g" and "x" hold times and comments, and npm's own names need no "path" of theirs.
  if (type === "5" || type === "g" || type === "x") return skip(blocks, size);
  if (type !== "0" && type !== "") throw new Error(`${JSON.stringify(name)} is no plain file (type ${JSON.stringify(type)})`);
  const path = pathBelow(target, name);
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, "wx", mode & EXECUTABLE ? 0o755 : 0o644);
  try {
    await copy(blocks, size, file);
  } finally {
    await file.close();
  }
}

/** Without the first part of the name, as npm does. */
function pathBelow(target: string, name: string): string {
  const parts = name.split("/").slice(1);
  if (parts.length === 0 || parts.some((part) => part === "" || part === "." || part === ".." || /[\\:\0]/.test(part)))
    throw new Error(`the archive holds the name ${JSON.stringify(name)}, which leads elsewhere`);
  return join(target, ...parts);
}

async function copy(blocks: Blocks, size: number, file: FileHandle): Promise<void> {
  for (let left = size; left > 0; ) {
    const part = await blocks.some(left);
    if (!part) throw new Error("the archive ends in the middle");
    await file.writeFile(part);
    left -= part.length;
  }
  await blocks.exactly(padding(size));
}

async function skip(blocks: Blocks, size: number): Promise<void> {
  await blocks.exactly(size + padding(size));
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function text(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

function octal(header: Buffer, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error("the archive is broken: a number in a header is none");
  return Number.parseInt(digits, 8);
}
