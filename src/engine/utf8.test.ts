import fc from "fast-check";
import { expect, test } from "vitest";
import { BETWEEN_CHARACTERS, continueUtf8, type Utf8State } from "./utf8.ts";

const strict = new TextDecoder("utf-8", { fatal: true });

function isWellFormed(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Few values, so that well-formed and almost well-formed sequences occur. */
const bytes = fc
  .uint8Array({ maxLength: 6 })
  .map((raw) =>
    raw.map((byte) => [0x41, 0x80, 0x9f, 0xa0, 0x8f, 0x90, 0xbf, 0xc2, 0xe0, 0xed, 0xe2, 0xf0, 0xf4, 0xf5, 0xc0, 0xff][byte % 16]!),
  );

test("bytes pass as a whole exactly when a strict decoder takes them", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 4 })), (bytes) => {
      expect(continueUtf8(BETWEEN_CHARACTERS, bytes)?.missing === 0).toBe(isWellFormed(bytes));
    }),
    { numRuns: 5000 },
  );
});

test("it does not matter where the bytes are cut", () => {
  fc.assert(
    fc.property(bytes, (bytes) => {
      let state: Utf8State | undefined = BETWEEN_CHARACTERS;
      for (const byte of bytes) state = state && continueUtf8(state, Uint8Array.of(byte));
      expect(state).toEqual(continueUtf8(BETWEEN_CHARACTERS, bytes));
    }),
  );
});
