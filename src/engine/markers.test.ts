import { expect, test } from "vitest";
import { MarkedVocabulary } from "./markers.ts";

/** Tokens 0–255 are bytes, the ones behind them control tokens; the tokenizer joins pairs of equal letters to 1000 + the letter. */
const NAMES = ["[CALL]", "[CALL_ID]", "<end>", "[OTHER]"];
const model = {
  piece: (token: number) => (token < 256 ? Buffer.of(token) : token < 1000 ? Buffer.alloc(0) : Buffer.of(token - 1000, token - 1000)),
  controlToken: (name: string) => (NAMES.includes(name) ? 256 + NAMES.indexOf(name) : undefined),
  isEndOfGeneration: (token: number) => token === 256 + NAMES.indexOf("<end>"),
  tokensOf: (text: Buffer) => {
    const tokens: number[] = [];
    for (let i = 0; i < text.length; i++) tokens.push(text[i] === text[i + 1] ? 1000 + text[i++]! : text[i]!);
    return tokens;
  },
  roughTokensOf: (text: Buffer) => [...text],
};

const vocabulary = new MarkedVocabulary(model, ["[CALL]", "[CALL_ID]", "<end>", "plain", ""]);
const [CALL, CALL_ID, END, OTHER] = [256, 257, 258, 259] as const;
const codes = (text: string) => [...Buffer.from(text)];

test("markers have their names as text; other control tokens have none, the end of an answer least of all", () => {
  expect([CALL, END, OTHER, 65].map((token) => vocabulary.piece(token).toString())).toEqual(["[CALL]", "", "", "A"]);
  expect(vocabulary.markers.map(({ token }) => token)).toEqual([CALL_ID, CALL]);
});

test("a text is written with the markers in it, the longer one where both could begin", () => {
  expect(vocabulary.write(Buffer.from("a[CALL]b[CALL_ID][OTHER]"))).toEqual([97, CALL, 98, CALL_ID, ...codes("[OTHER]")]);
});

test("of a text that may go on, the last token and the beginning of a marker are left out, not a whole marker", () => {
  expect(vocabulary.begin(Buffer.from("ab[CALL]"))).toEqual([...codes("ab"), CALL]);
  expect(vocabulary.begin(Buffer.from("[CALL]abb"))).toEqual([CALL, 97]);
  expect(vocabulary.begin(Buffer.from("[CALL]ab[CAL"))).toEqual([CALL, 97]);
  expect(vocabulary.begin(Buffer.from("[CAL"))).toEqual([]);
  expect(vocabulary.begin(Buffer.from(""))).toEqual([]);
});

test("the names of those that begin with a text", () => {
  const names = (text: string) => vocabulary.beginningWith(Buffer.from(text)).map(({ text }) => text.toString());
  expect([names("[CALL"), names("[CALL]"), names("x")]).toEqual([["[CALL_ID]", "[CALL]"], [], []]);
});
