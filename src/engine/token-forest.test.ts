import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenForest } from "./token-forest.ts";

function forestOf(pieces: readonly string[]): TokenForest {
  const forest = new TokenForest({ vocabSize: pieces.length, binaryPiece: (token) => pieces[token]! });
  for (let portions = 0; !forest.grow(); portions++) if (portions > 10) throw new Error("it never ends");
  return forest;
}

test("any vocabulary: exactly the tokens are selected that fit, however their texts nest or repeat", () => {
  const piece = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 }), (pieces, text) => {
      const forest = forestOf(pieces);
      // What a grammar that allows just this text lets pass: what it begins with.
      const filter = (tokens: readonly number[]) => tokens.filter((token) => text.startsWith(pieces[token]!));
      const expected = pieces.flatMap((piece, token) => (piece !== "" && text.startsWith(piece) ? [token] : []));
      expect(forest.select(filter, filter(forest.roots)).sort((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test("a grammar with little choice is asked about few tokens", () => {
  const pieces = Array.from(
    { length: 26 * 27 },
    (_, i) => String.fromCharCode(97 + Math.floor(i / 27)) + (i % 27 ? String.fromCharCode(96 + (i % 27)) : ""),
  );
  const forest = forestOf(pieces);
  let asked = forest.roots.length;
  const filter = (tokens: readonly number[]) => {
    asked += tokens.length;
    return tokens.filter((token) => "xyz".startsWith(pieces[token]!));
  };
  const roots = forest.roots.filter((token) => "xyz".startsWith(pieces[token]!));
  expect(forest.select(filter, roots).map((token) => pieces[token])).toEqual(["x", "xy"]);
  expect(asked).toBeLessThan(60);
});
