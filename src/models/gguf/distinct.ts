/**
 * Whether strings are all different, without keeping them: libllama aborts on a vocabulary that has a token twice
 * (GGML_ASSERT in llama-vocab.cpp). Called while `values.ts` walks the vocabulary. Sorting hashes takes the same time whatever the strings
 * are; among 256 k tokens the chance that two different ones share a 53-bit hash is 1 in 250,000.
 */
export class DistinctStrings {
  readonly #hashes: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#hashes = new Float64Array(capacity);
  }

  /** The bytes from `start` to `end`, as libllama takes them: up to a NUL; empty ones get names of their own there. */
  add(bytes: Uint8Array, start: number, end: number): void {
    let low = 0x811c_9dc5;
    let high = 0x9747_b28c;
    let at = start;
    for (; at < end && bytes[at] !== 0; at++) {
      low = Math.imul(low ^ bytes[at]!, 0x0100_0193);
      high = Math.imul(high ^ bytes[at]!, 0x5bd1_e995);
      high ^= high >>> 15;
    }
    if (at > start) this.#hashes[this.#count++] = (low >>> 0) * 0x20_0000 + (high >>> 11);
  }

  get distinct(): boolean {
    const sorted = this.#hashes.subarray(0, this.#count).sort();
    return sorted.every((hash, index) => index === 0 || hash !== sorted[index - 1]);
  }
}
