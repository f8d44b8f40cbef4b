import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Released, TextStream } from "./text.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Pushes the pieces until a stop string ends it, and flushes if none did: what a reader gets, piece by piece. */
function run(pieces: readonly Uint8Array[], stops: readonly string[] = []): { pieces: string[]; text: string; stopSequence?: string } {
  const stream = new TextStream(stops);
  const out: string[] = [];
  for (const piece of pieces) {
    const { text, stopSequence }: Released = stream.push(piece);
    out.push(text);
    if (stopSequence !== undefined) return { pieces: out, text: out.join(""), stopSequence };
  }
  out.push(stream.flush().text);
  return { pieces: out, text: out.join("") };
}

const words = (...pieces: string[]) => pieces.map(encode);

describe("characters", () => {
  test("a character whose bytes come in four tokens leaves whole, with the last of them", () => {
    const bytes = [...encode("😀")].map((byte) => Uint8Array.of(byte));
    expect(run(bytes).pieces).toEqual(["", "", "", "😀", ""]);
  });

  test("a character that is cut at the end is dropped, once and without a replacement", () => {
    expect(run([encode("a"), encode("世").slice(0, 2)]).pieces).toEqual(["a", "", ""]);
  });

  test("bytes that are not UTF-8 become U+FFFD and what follows them is kept", () => {
    expect(run([Uint8Array.of(0xff), encode("a"), Uint8Array.of(0xf0, 0x9f), encode("b")]).text).toBe("\ufffda\ufffdb");
  });

  test("a byte order mark that the model writes is text like any other", () => {
    expect(run(words("\ufeffa", "\ufeff")).text).toBe("\ufeffa\ufeff");
  });
});

describe("stop strings", () => {
  test("a beginning of one is held back until it is refuted", () => {
    expect(run(words("The E", "N", "D of it"), ["END"])).toEqual({ pieces: ["The ", "", ""], text: "The ", stopSequence: "END" });
    expect(run(words("The E", "N", "T"), ["END"]).pieces).toEqual(["The ", "", "ENT", ""]);
  });

  test("what is still held when the generation ends is text after all", () => {
    expect(run(words("a\n"), ["\n\n"]).pieces).toEqual(["a", "\n"]);
  });

  test("text behind one in the same token does not leave", () => {
    expect(run(words("yes.\nUser: more"), ["\nUser:"])).toMatchObject({ text: "yes.", stopSequence: "\nUser:" });
  });

  test("a repeated beginning is held no longer than it can become one", () => {
    expect(run(words("a", "a", "a", "b"), ["aab"])).toMatchObject({ pieces: ["", "", "a", ""], text: "a", stopSequence: "aab" });
  });

  test("where they do not count, text leaves at once, and they begin anew behind it", () => {
    const stream = new TextStream(["END", "x"]);
    expect(stream.push(encode("The E"))).toEqual({ text: "The " });
    expect(stream.push(encode("ND x E"), "not")).toEqual({ text: "END x E" });
    expect(stream.push(encode("ND yEN"))).toEqual({ text: "ND y" });
    expect(stream.push(encode("D"))).toEqual({ text: "", stopSequence: "END" });
  });

  test("where it is not known whether they count, text is held until it is, or until the end", () => {
    const held = () => {
      const stream = new TextStream(["x"]);
      expect(stream.push(encode("a x"), "later")).toEqual({ text: "" });
      expect([stream.heldLength, stream.received, stream.released]).toEqual([3, 3, 0]);
      return stream;
    };
    expect(held().push(encode("b"))).toEqual({ text: "a ", stopSequence: "x" });
    expect(held().push(encode("b"), "not")).toEqual({ text: "a xb" });
    expect(held().flush()).toEqual({ text: "a ", stopSequence: "x" });
  });

  test("of two the one that is complete first ends the text, however the text was cut", () => {
    expect(run(words("abcd"), ["abcd", "bc"])).toMatchObject({ text: "a", stopSequence: "bc" });
    expect(run(words("abc", "d"), ["abcd", "bc"])).toMatchObject({ text: "a", stopSequence: "bc" });
  });

  test("of two that are complete at the same character the longer one ends it", () => {
    expect(run(words("xabc"), ["bc", "abc"])).toMatchObject({ text: "x", stopSequence: "abc" });
  });

  test("one with half a surrogate pair matches nothing and cuts no character", () => {
    expect(run(words("a😀", "b"), ["\ude00b", "\ud83d"])).toEqual({ pieces: ["a😀", "b", ""], text: "a😀b" });
  });

  test("one may hold characters of several bytes, cut anywhere", () => {
    const bytes = [...encode("é世🏁b")].map((byte) => Uint8Array.of(byte));
    expect(run(bytes, ["世🏁"])).toMatchObject({ text: "é", stopSequence: "世🏁" });
  });
});

// Few letters, so that stops, their beginnings and stops within stops occur often; characters of one to four bytes.
const letter = fc.oneof({ weight: 3, arbitrary: fc.constantFrom("a", "b") }, fc.constantFrom("é", "世", "😀", "\u{1f469}\u200d\u{1f467}"));
const text = fc.array(letter, { maxLength: 40 }).map((letters) => letters.join(""));
const stops = fc.uniqueArray(
  fc.array(letter, { minLength: 1, maxLength: 4 }).map((letters) => letters.join("")),
  { maxLength: 4 },
);
const cuts = fc.array(fc.nat(400), { maxLength: 20 });

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.slice(at[i], end));
}

/** What must come out, by trying the ends of the text one by one. */
function upToFirstStop(text: string, stops: readonly string[]): { text: string; stopSequence?: string } {
  for (let end = 1; end <= text.length; end++) {
    const complete = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
    if (complete[0]) return { text: text.slice(0, end - complete[0].length), stopSequence: complete[0] };
  }
  return { text };
}

/** Half a character, in either spelling. */
const BROKEN = /\p{Surrogate}|\ufffd/u;

describe("any text, cut at any bytes, with any stops", () => {
  test("leaves up to the first stop, whatever the cuts", () => {
    fc.assert(
      fc.property(text, stops, cuts, (text, stops, places) => {
        const { pieces, ...result } = run(cut(encode(text), places), stops);
        expect(result).toEqual(upToFirstStop(text, stops));
      }),
      { numRuns: 2000 },
    );
  });

  test("leaves in whole characters only, and no sooner than it is known not to be a stop", () => {
    fc.assert(
      fc.property(text, stops, cuts, (text, stops, places) => {
        const whole = upToFirstStop(text, stops).text;
        let sent = "";
        for (const piece of run(cut(encode(text), places), stops).pieces) {
          sent += piece;
          expect(piece).not.toMatch(BROKEN);
          // A reader never has a character of the stop, nor one to take back.
          expect(whole.startsWith(sent)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("is not held back longer than needed: what is held begins a stop", () => {
    fc.assert(
      fc.property(text, stops, (text, stops) => {
        const stream = new TextStream(stops);
        let received = "";
        for (const letter of text) {
          received += letter;
          if (stream.push(encode(letter)).stopSequence !== undefined) return;
          const held = received.slice(received.length - stream.heldLength);
          expect(held === "" || stops.some((stop) => stop.startsWith(held))).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("any bytes at all give well-formed text, the same for any cuts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), cuts, (bytes, places) => {
        const { text } = run(cut(bytes, places));
        expect(text).not.toMatch(/\p{Surrogate}/u);
        expect(text).toBe(run([bytes]).text);
      }),
    );
  });
});
