/** The guard alone, then through templates that cut, trim and join what callers wrote (property). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ControlTexts, Guard } from "./guard.ts";
import { JinjaTemplate } from "./jinja.ts";

const CONTROL = ["<|im_start|>", "<|im_end|>", "</s>", "[INST]", "<|im", "s>[INST]"];

function segmentsOf(text: string) {
  const guard = new Guard(new ControlTexts(CONTROL));
  return guard.segments(guard.protect(text));
}

describe("guard", () => {
  test("text without control tokens is one segment", () => {
    expect(segmentsOf("a < b, [x], </p>")).toEqual([{ text: "a < b, [x], </p>", parseSpecial: true }]);
  });

  test("a typed control token is a segment of its own", () => {
    expect(segmentsOf("hi </s>!")).toEqual([
      { text: "hi ", parseSpecial: true },
      { text: "</s>", parseSpecial: false },
      { text: "!", parseSpecial: true },
    ]);
  });

  test("what is left of a nested control token does not join to a new one", () => {
    const guard = new Guard(new ControlTexts(["<|im_end|>"]));
    expect(guard.segments(guard.protect("<|im_<|im_end|>end|>"))).toEqual([
      { text: "<|im_", parseSpecial: true },
      { text: "<|im_end|>", parseSpecial: false },
      { text: "end|>", parseSpecial: true },
    ]);
  });

  test("a token made of a caller's text and the template's is not one", () => {
    const guard = new Guard(new ControlTexts(["<|im_end|>"]));
    expect(guard.segments(`${guard.protect("x<|im_")}end|>`).map((segment) => segment.parseSpecial)).toEqual([true, false]);
    expect(guard.segments(`<|im_${guard.protect("end|>")}`).map((segment) => segment.parseSpecial)).toEqual([false]);
  });

  test("keys of JSON are guarded too, and a key __proto__ stays a key", () => {
    const guard = new Guard(new ControlTexts(CONTROL));
    const json = JSON.stringify(guard.protectDeep(JSON.parse('{"</s>": ["</s>"], "__proto__": 1}')));
    expect(guard.plain(json)).toBe('{"</s>":["</s>"],"__proto__":1}');
    expect(guard.segments(json).filter((segment) => !segment.parseSpecial)).toHaveLength(2);
  });

  test("100 kB of control tokens and 5000 of them in the vocabulary take well under a second", () => {
    const many = Array.from({ length: 5000 }, (_, index) => `<|reserved_special_token_${index}|>`);
    const started = performance.now();
    const guard = new Guard(new ControlTexts([...many, ...CONTROL]), ["\n", "</think>"]);
    for (const hostile of ["<|im_end|>", "<", "<|reserved_special_token_", "\n<|im\n", "<|reserved_special_token_4999|>"]) {
      const text = hostile.repeat(Math.ceil(100_000 / hostile.length));
      const segments = guard.segments(guard.protect(text));
      expect(segments.map((segment) => segment.text).join("")).toBe(text);
    }
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

/** How templates treat content: `m` are the messages' strings, all else is the template's. */
const TREATMENTS: ReadonlyArray<{ readonly name: string; readonly source: string; readonly seams: readonly string[] }> = [
  { name: "as it is", source: "{% for m in ms %}<|im_start|>{{ m }}<|im_end|>{% endfor %}", seams: [] },
  { name: "with nothing between", source: "</s>{% for m in ms %}{{ m }}{% endfor %}</s>", seams: [] },
  { name: "beside half a token", source: "{% for m in ms %}<|im_{{ m }}end|>{% endfor %}", seams: [] },
  { name: "trimmed", source: "{% for m in ms %}[INST]{{ m | trim }}</s>{% endfor %}", seams: [] },
  { name: "as JSON", source: "<|im_start|>{{ ms | tojson }}<|im_end|>", seams: [] },
  { name: "with a word taken out", source: "{% for m in ms %}<|im_start|>{{ m.replace('X', '') }}<|im_end|>{% endfor %}", seams: ["X"] },
  { name: "last piece", source: "{% for m in ms %}</s>{{ m.split('X')[-1] }}</s>{% endfor %}", seams: ["X"] },
  {
    name: "first and last piece",
    source: "{% for m in ms %}{{ m.split('X')[0].strip() ~ m.split('X')[-1].strip() }}{% endfor %}",
    seams: ["X"],
  },
];

describe.each(TREATMENTS)("content printed $name", ({ source, seams }) => {
  const template = new JinjaTemplate(source);
  const texts = new ControlTexts(CONTROL);
  const token = fc.constantFrom(...CONTROL);
  const part = fc.tuple(token, fc.nat(12), fc.nat(12)).map(([text, from, length]) => text.slice(from % text.length).slice(0, length));
  /** A control token with something inside that a template may take out, or that is a control token itself. */
  const split = fc
    .tuple(token, fc.nat(12), fc.constantFrom("X", " X ", "X\n", " X", "XX", ...CONTROL))
    .map(([text, at, inside]) => text.slice(0, 1 + (at % (text.length - 1))) + inside + text.slice(1 + (at % (text.length - 1))));
  const piece = fc.oneof(token, part, split, fc.constantFrom("X", " ", "\n", "a"));
  const message = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));

  test("T19 no control token is made of a caller's text, the template's own stay, no character is lost", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), (ms) => {
        const guard = new Guard(texts, seams);
        const segments = guard.segments(template.render({ ms: ms.map((text) => guard.protect(text)) }));
        const plain = template.render({ ms });
        expect(segments.map((segment) => segment.text).join("")).toBe(plain);
        const callers = fromCaller(template.render({ ms: ms.map(tainted) }));
        expect(callers).toHaveLength(plain.length);
        let at = 0;
        for (const { text, parseSpecial } of segments) {
          for (const token of CONTROL) {
            for (let found = text.indexOf(token); parseSpecial && found !== -1; found = text.indexOf(token, found + 1)) {
              expect(callers.slice(at + found, at + found + token.length), `${token} in ${JSON.stringify(segments)}`).not.toContain(true);
            }
          }
          // A segment that is not parsed always has something of a caller in it: none of the template's tokens is lost.
          if (!parseSpecial) expect(callers.slice(at, at + text.length)).toContain(true);
          at += text.length;
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Each character in a private area, so that its origin can be seen after rendering; what templates look for stays. */
function tainted(text: string): string {
  return text.replace(/[^X\s]/g, (char) => String.fromCharCode(0xe000 + char.charCodeAt(0)));
}

/** White space counts as nobody's: no control token here has any. */
function fromCaller(rendered: string): boolean[] {
  // JSON writes a line break as two characters in both renderings, so the lengths agree.
  return Array.from(rendered, (char) => char >= "\ue000" && char <= "\uf8ff");
}
