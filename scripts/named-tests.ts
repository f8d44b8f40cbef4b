/** The names of tests as their files say them, for documents that name the test of a promise. Called by t-cases.ts and template-table.ts. */
import { readFileSync } from "node:fs";

/** `test("…",`, `test.each(…)("…",`, `describe("…",`: also where the name stands on a line of its own. */
const NAMED = /(?:\b(?:test|describe)(?:\.\w+)*|\))\(\s*(["'`])(.*?)(?<!\\)\1,/g;

/** In the order of the file, as written: placeholders are not filled in. */
export function testNames(file: string): readonly string[] {
  return [...readFileSync(file, "utf8").matchAll(NAMED)].map(([, , name]) => name!);
}

/** A name as Markdown text: what a program filled in stays a placeholder. */
export function plain(name: string): string {
  return `“${name
    .replaceAll("\\", "")
    .replace(/\$\{[^}]*\}|\$\w+|%\w/g, "…")
    .replace(/[<>*`]/g, "\\$&")}”`;
}
