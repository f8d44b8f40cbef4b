import fc from "fast-check";
import { expect, test } from "vitest";
import { CustomInput } from "./custom-input.ts";

/** Cuts a text at these places, between characters, as it comes from an engine. */
function cut(text: string, places: readonly number[]): string[] {
  const characters = [...text];
  const at = [0, ...places.map((place) => place % (characters.length + 1)), characters.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => characters.slice(at[index], end).join(""));
}

const spelled = fc
  .string({ unit: "grapheme", maxLength: 40 })
  .chain((text) => fc.constantFrom(JSON.stringify(text), `"${[...text].map(escaped).join("")}"`).map((json) => ({ text, json })));

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
}

test("however the arguments are cut, the pieces are the text", () => {
  fc.assert(
    fc.property(spelled, fc.array(fc.nat(400), { maxLength: 12 }), ({ text, json }, places) => {
      const input = new CustomInput();
      const pieces = cut(`{"input": ${json}}`, places).map((piece) => input.push(piece));
      expect(pieces.join("")).toBe(text);
      expect(input.text).toBe(text);
      // A pair of surrogates is never told in halves.
      for (const piece of pieces) expect(Buffer.from(piece, "utf8").toString("utf8")).toBe(piece);
    }),
  );
});

test("what is no such object is the input as it is", () => {
  for (const json of ["*** Begin Patch", '{"patch":"x"}', "", '["a"]']) {
    const input = new CustomInput();
    expect(input.push(json)).toBe("");
    expect(input.text).toBe(json);
  }
});

test("what stands behind the text is no part of it", () => {
  const input = new CustomInput();
  expect(input.push('{ "input" : "a\\n')).toBe("a\n");
  expect(input.push('b" , "more": "c"}')).toBe("b");
  expect(input.push("…")).toBe("");
  expect(input.text).toBe("a\nb");
});
