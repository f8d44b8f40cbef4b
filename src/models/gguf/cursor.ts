/**
 * Reads a file forwards through one small buffer: little-endian numbers, strings, skips. Called by `header.ts` only.
 * It bounds time and memory whatever the file says: no length is believed before it is compared with the bytes that are left.
 * It must not know what the bytes mean.
 */
import type { FileHandle } from "node:fs/promises";
import { ShimmyError } from "../../contract/errors.ts";

const BUFFER_BYTES = 64 * 1024;

/**
 * A header ends before this many bytes. The largest of real models (256 k tokens, 500 k merges) need about 16 MiB; walking 128 MiB of
 * hostile string lengths takes about a second.
 */
const MAX_HEADER_BYTES = 128 * 1024 * 1024;

export type VisitString = (bytes: Uint8Array, start: number, end: number) => void;

export class Cursor {
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  /** Where in the file the buffer starts, how much of it is filled, and how much of that is read. */
  #start = 0;
  #filled = 0;
  #read = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly size: number,
  ) {}

  get position(): number {
    return this.#start + this.#read;
  }

  get remaining(): number {
    return this.size - this.position;
  }

  /** @throws model_file_invalid, always. */
  fail(reason: string): never {
    throw new ShimmyError("model_file_invalid", { path: this.path, reason });
  }

  /** Makes the next `bytes` (at most the buffer) readable without waiting. `what` is named if the file ends before them. */
  async need(bytes: number, what: string): Promise<void> {
    if (this.#filled - this.#read >= bytes) return;
    this.#demand(bytes, what);
    this.#buffer.copyWithin(0, this.#read, this.#filled);
    this.#start += this.#read;
    this.#filled -= this.#read;
    this.#read = 0;
    while (this.#filled < bytes) {
      const { bytesRead } = await this.file.read(this.#buffer, this.#filled, BUFFER_BYTES - this.#filled, this.#start + this.#filled);
      // The file was cut while it was read.
      if (bytesRead === 0) this.fail(`truncated: it ends at byte ${this.#start + this.#filled}, in ${what}`);
      this.#filled += bytesRead;
    }
  }

  async skip(bytes: number, what: string): Promise<void> {
    this.#demand(bytes, what);
    this.#advance(bytes);
  }

  /** The next bytes, copied. For lengths that were bounded by the caller. */
  async bytes(length: number, what: string): Promise<Buffer> {
    this.#demand(length, what);
    const result = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, BUFFER_BYTES);
      await this.need(part, what);
      this.#buffer.copy(result, done, this.#read, this.#read + part);
      this.#read += part;
      done += part;
    }
    return result;
  }

  /**
   * Passes over `count` strings, each a u64 length and its bytes; without `visit` it reads no more than the lengths. `visit` is shown each
   * that fits the buffer, in place.
   */
  async skipStrings(count: number, what: string, visit?: VisitString): Promise<void> {
    // Each takes at least its length: a count that cannot be true is refused before any work.
    if (count > this.remaining / 8) this.#demand(count * 8, what);
    for (let left = count; left > 0; ) {
      left -= this.#skipBufferedStrings(left, visit);
      if (left === 0) return;
      await this.need(8, what);
      const length = this.size64(`the length of a string in ${what}`);
      if (visit && length <= BUFFER_BYTES) {
        await this.need(length, what);
        visit(this.#buffer, this.#read, this.#read + length);
      }
      await this.skip(length, what);
      left--;
    }
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }
  i8(): number {
    return this.#buffer.readInt8(this.#take(1));
  }
  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }
  i16(): number {
    return this.#buffer.readInt16LE(this.#take(2));
  }
  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }
  i32(): number {
    return this.#buffer.readInt32LE(this.#take(4));
  }
  f32(): number {
    return this.#buffer.readFloatLE(this.#take(4));
  }
  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }
  u64(): number | bigint {
    return asNumber(this.#buffer.readBigUInt64LE(this.#take(8)));
  }
  i64(): number | bigint {
    return asNumber(this.#buffer.readBigInt64LE(this.#take(8)));
  }

  /** A u64 that counts or measures something: one that no file on earth can hold is refused. */
  size64(what: string): number {
    const value = this.u64();
    return typeof value === "number" ? value : this.fail(`${what} is ${value}, more than any file can hold`);
  }

  #skipBufferedStrings(most: number, visit?: VisitString): number {
    let skipped = 0;
    for (; skipped < most && this.#filled - this.#read >= 8; skipped++) {
      const low = this.#buffer.readUInt32LE(this.#read);
      const high = this.#buffer.readUInt32LE(this.#read + 4);
      if (high !== 0 || this.#filled - this.#read < 8 + low) break;
      this.#read += 8 + low;
      visit?.(this.#buffer, this.#read - low, this.#read);
    }
    return skipped;
  }

  #take(bytes: number): number {
    const at = this.#read;
    this.#read += bytes;
    return at;
  }

  #demand(bytes: number, what: string): void {
    if (bytes > this.remaining) {
      this.fail(`truncated: ${what} ends at byte ${this.position + bytes}, the file has ${this.size}`);
    }
    if (this.position + bytes > MAX_HEADER_BYTES) this.fail(`its header is larger than ${MAX_HEADER_BYTES} bytes, in ${what}`);
  }

  #advance(bytes: number): void {
    if (bytes <= this.#filled - this.#read) {
      this.#read += bytes;
      return;
    }
    this.#start = this.position + bytes;
    this.#filled = 0;
    this.#read = 0;
  }
}

function asNumber(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
