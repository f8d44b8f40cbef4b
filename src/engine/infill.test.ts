import { expect, test } from "vitest";
import { ShimmyError } from "../contract/errors.ts";
import type { InfillTokens } from "../llama/model.ts";
import { type InfillVocabulary, infillEnds, infillPrompt } from "./infill.ts";

/** A vocabulary of characters, with tokens above them for what is not text. */
function vocabulary(infillTokens: InfillTokens, addedBos?: number): InfillVocabulary {
  return { infillTokens, addedBos, plainTokens: (text) => [...text].map((character) => character.charCodeAt(0)) };
}

const BASIC = { prefix: 1001, suffix: 1002, middle: 1003 };
const WHOLE = { ...BASIC, repository: 1004, separator: 1005 };
const NAMES: Readonly<Record<number, string>> = {
  1000: "[bos]",
  1001: "[pre]",
  1002: "[suf]",
  1003: "[mid]",
  1004: "[rep]",
  1005: "[sep]",
};

function written(model: InfillVocabulary, prompt: Parameters<typeof infillPrompt>[1]): string {
  const tokens = infillPrompt(model, prompt);
  return tokens.map((token) => NAMES[token] ?? String.fromCharCode(token)).join("");
}

test("prefix, suffix, middle, each behind its token", () => {
  expect(written(vocabulary(BASIC), { prefix: "a(", suffix: ")" })).toBe("[pre]a([suf])[mid]");
  expect(written(vocabulary(WHOLE, 1000), { prefix: "", suffix: "" })).toBe("[bos][pre][suf][mid]");
});

test("other files come first, as a repository", () => {
  const files = [
    { name: "a.py", text: "A" },
    { name: "b.py", text: "B" },
  ];
  expect(written(vocabulary(WHOLE, 1000), { prefix: "x", suffix: "y", files })).toBe(
    "[bos][rep]myproject\n[sep]a.py\nA[sep]b.py\nB[sep]filename\n[pre]x[suf]y[mid]",
  );
  expect(written(vocabulary(WHOLE), { prefix: "x", suffix: "y", files: [] })).toBe("[rep]myproject\n[sep]filename\n[pre]x[suf]y[mid]");
});

test("a vocabulary without tokens for files shows them as snippets", () => {
  const files = [{ name: "a.py", text: "A" }];
  expect(written(vocabulary(BASIC), { prefix: "x", suffix: "y", files })).toBe("\n\n--- snippet ---\n\nA[pre]x[suf]y[mid]");
});

test("a model that lacks a token is refused with the names of those that it lacks", () => {
  expect(refused(() => written(vocabulary({ prefix: 1 }), { prefix: "", suffix: "" }))).toMatchObject({
    code: "infill_unsupported",
    status: 400,
    message: "This model cannot fill in the middle: its vocabulary has no token for suffix, middle",
  });
});

test("the tokens that begin another one end the answer", () => {
  expect([...infillEnds(vocabulary(WHOLE))]).toEqual([1001, 1002, 1003]);
});

function refused(act: () => unknown): ShimmyError {
  try {
    act();
  } catch (error) {
    if (error instanceof ShimmyError) return error;
    throw error;
  }
  throw new Error("It was not refused");
}
