/**
 * Whether bytes go on a well-formed UTF-8 text (RFC 3629): tokens can be single bytes, and libllama's grammars let overlong and
 * half characters pass, which reach the reader as U+FFFD, other characters than the grammar counted. Used by grammar-text.ts and answer-state.ts. Pure.
 */

/** Bytes a character still needs, and the range of the next one: overlong forms, surrogates and what is beyond U+10FFFF are none. */
export interface Utf8State {
  readonly missing: number;
  readonly low: number;
  readonly high: number;
}

export const BETWEEN_CHARACTERS: Utf8State = { missing: 0, low: 0x80, high: 0xbf };

/** The state after these bytes; undefined when no text goes on so. */
export function continueUtf8(state: Utf8State, bytes: Uint8Array): Utf8State | undefined {
  let { missing, low, high } = state;
  for (const byte of bytes) {
    if (missing === 0) {
      if (byte < 0x80) continue;
      const next = leading(byte);
      if (!next) return undefined;
      ({ missing, low, high } = next);
    } else {
      if (byte < low || byte > high) return undefined;
      missing--;
      low = 0x80;
      high = 0xbf;
    }
  }
  return missing === 0 ? BETWEEN_CHARACTERS : { missing, low, high };
}

function leading(byte: number): Utf8State | undefined {
  if (byte < 0xc2 || byte > 0xf4) return undefined;
  if (byte < 0xe0) return { missing: 1, low: 0x80, high: 0xbf };
  if (byte < 0xf0) return { missing: 2, low: byte === 0xe0 ? 0xa0 : 0x80, high: byte === 0xed ? 0x9f : 0xbf };
  return { missing: 3, low: byte === 0xf0 ? 0x90 : 0x80, high: byte === 0xf4 ? 0x8f : 0xbf };
}
