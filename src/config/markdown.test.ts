import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorsMarkdown, settingsMarkdown } from "./markdown.ts";
import { SETTING_KEYS, SETTINGS } from "./table.ts";

function committed(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
}

test("docs/settings.md is what the table says (else run: npm run docs)", () => {
  expect(committed("settings.md")).toBe(settingsMarkdown());
});

test("docs/errors.md is what the catalogue says (else run: npm run docs)", () => {
  expect(committed("errors.md")).toBe(errorsMarkdown());
});

test("no two settings share a flag, a variable or a key in the file", () => {
  for (const names of [
    SETTING_KEYS.flatMap((key) => SETTINGS[key].flag ?? []),
    SETTING_KEYS.flatMap((key) => SETTINGS[key].env),
    SETTING_KEYS.map((key) => SETTINGS[key].file),
  ]) {
    expect(new Set(names).size).toBe(names.length);
  }
});

test("the names of one setting follow from its key", () => {
  for (const key of SETTING_KEYS) {
    const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(SETTINGS[key].file).toBe(snake);
    // The flag of a mapping takes one entry at a time, so it is the singular.
    const flag = SETTINGS[key].kind.type === "mapping" ? snake.replace(/e?s$/, "") : snake;
    if (SETTINGS[key].flag !== undefined) expect(SETTINGS[key].flag).toBe(flag.replaceAll("_", "-"));
    expect(SETTINGS[key].help).toMatch(/^[A-Z].*\.$/);
  }
});
