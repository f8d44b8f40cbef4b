/**
 * Whether a SentencePiece vocabulary can spell every byte: libllama throws through to the end of the process on a text whose byte has no
 * token (byte_to_token in llama-vocab.cpp). Called while `values.ts` walks the vocabulary.
 */
const LENGTH = "<0x0A>".length;
const LESS_THAN = 0x3c;

export class SpelledBytes {
  readonly #seen = new Set<number>();

  /** A token: the bytes from `start` to `end`. */
  add(bytes: Uint8Array, start: number, end: number): void {
    if (end - start === 1) this.#seen.add(bytes[start]!);
    if (end - start !== LENGTH || bytes[start] !== LESS_THAN) return;
    const digits = /^<0x([0-9A-F]{2})>$/.exec(Buffer.from(bytes.subarray(start, end)).toString("latin1"))?.[1];
    if (digits !== undefined) this.#seen.add(Number.parseInt(digits, 16));
  }

  get all(): boolean {
    return this.#seen.size === 256;
  }
}
