/** Every case of the protocol has tests, and docs/t-cases.md says which. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NOT_YET, SECTIONS, tCasesMarkdown, testsByCase } from "../scripts/t-cases.ts";

const cases = SECTIONS.flatMap((section) => Object.keys(section.cases));

test("all numbers from 1 to 74 are cases, each once", () => {
  expect(cases).toEqual(Array.from({ length: 74 }, (_, i) => `T${i + 1}`));
});

test("no case of a dialect that is served is without a test, and no test is of a case that is none", () => {
  const tests = testsByCase(["src", "test"]);
  expect(cases.filter((id) => !tests.has(id) && !NOT_YET.has(id))).toEqual([]);
  expect([...tests.keys()].filter((id) => !cases.includes(id))).toEqual([]);
});

test("names are found however a test is written, and nothing else is", () => {
  const folder = mkdtempSync(join(tmpdir(), "shimmy-cases-"));
  mkdirSync(join(folder, "a"));
  // Or this file would be a test of them.
  const text = [
    'test("@1, @2 one", () => {});',
    'describe("@3 two", () => {});',
    "test.each([[1, 2]])(\n  `@4 $" + "{three}`,\n  () => {},\n);",
    'test.skipIf(no)("@5 @6 four", async () => {});',
    'test("a @7 in a name", () => {});',
    'const text = "@8 in a text";',
    "/** @9 */",
  ];
  writeFileSync(join(folder, "a", "b.test.ts"), text.join("\n").replaceAll("@", "T"));
  expect([...testsByCase([folder]).keys()].sort()).toEqual(["T1", "T2", "T3", "T4", "T5", "T6"]);
  rmSync(folder, { recursive: true, force: true });
});

test("docs/t-cases.md is what the tests say (else run: npm run docs)", () => {
  expect(readFileSync("docs/t-cases.md", "utf8")).toBe(tCasesMarkdown());
});
