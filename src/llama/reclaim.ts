/**
 * Gives memory back that libllama cleared but nobody has written to. A new KV cache is set to zero, which makes every page of
 * it resident: 377 MB for 8 × 2048 tokens of a 135 M model, before the first request. A page of zeros that is dropped reads as
 * zeros again (madvise(2), MADV_DONTNEED on private anonymous memory), so this changes nothing but the bill.
 * Called by context.ts around the creation of a context. Linux only; elsewhere it does nothing.
 */
import { readFileSync } from "node:fs";
import koffi from "koffi";

/** Addresses from `start` up to `end`. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/** Smaller regions are not worth a look, and are where other threads of this process keep their own heaps. */
const LEAST_BYTES = 16n << 20n;
/** What is dropped at once if it is all zeros. */
const CHUNK = 1n << 20n;
const MADV_DONTNEED = 4;

/**
 * Runs `create` and drops the zero pages of the regions that it added. Only memory that did not exist before is looked at, and
 * nothing computes yet, so nobody can write to a page between the look and the drop.
 */
export function reclaimZeroPages<T>(create: () => T): T {
  if (process.platform !== "linux") return create();
  const before = anonymousRanges();
  const created = create();
  const added = anonymousRanges().flatMap((range) => subtract(range, before));
  const large = added.filter(({ start, end }) => end - start >= LEAST_BYTES);
  if (large.length > 0) large.forEach(dropZeros);
  return created;
}

function dropZeros({ start, end }: Range): void {
  const libc = koffi.load("libc.so.6");
  const memcmp = libc.func("int memcmp(void* a, void* b, size_t n)");
  const madvise = libc.func("int madvise(void* address, size_t length, int advice)");
  const firstByte = (address: bigint) => new Uint8Array(koffi.view(address, 1))[0];
  const isZero = (address: bigint) => firstByte(address) === 0 && memcmp(address, address + 1n, Number(CHUNK) - 1) === 0;

  const aligned = (start + CHUNK - 1n) & ~(CHUNK - 1n);
  for (let chunk = aligned; chunk + CHUNK <= end; chunk += CHUNK) if (isZero(chunk)) madvise(chunk, Number(CHUNK), MADV_DONTNEED);
}

/** Writable private memory that belongs to no file, as /proc/self/maps lists it: sorted, without overlaps. */
function anonymousRanges(): Range[] {
  const ranges: Range[] = [];
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    const match = /^([\da-f]+)-([\da-f]+) rw.p \S+ \S+ 0\s*$/.exec(line);
    if (match) ranges.push({ start: BigInt(`0x${match[1]}`), end: BigInt(`0x${match[2]}`) });
  }
  return ranges;
}

/** The parts of `range` that none of `others` covers; `others` is sorted. */
export function subtract(range: Range, others: readonly Range[]): Range[] {
  const parts: Range[] = [];
  let { start } = range;
  for (const other of others) {
    if (other.end <= start || other.start >= range.end) continue;
    if (other.start > start) parts.push({ start, end: other.start });
    start = other.end;
  }
  if (start < range.end) parts.push({ start, end: range.end });
  return parts;
}
