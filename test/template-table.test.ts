/** docs/template.md is about every line of the template, and each test that it names is there. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testNames } from "../scripts/named-tests.ts";
import { TEMPLATE_ROWS } from "../scripts/template-rows.ts";
import { templateItems, templateMarkdown } from "../scripts/template-table.ts";

const template = readFileSync("docs/integration-template.md", "utf8");
const sections = templateItems(template).filter(({ items }) => items.length > 0);

test("every box, bullet, command, setting, metric and threshold of the template has a row, in its order", () => {
  expect(TEMPLATE_ROWS.map(([title, rows]) => ({ title, items: rows.map(({ item }) => item) }))).toEqual(sections);
});

test("no line of a bullet or a block is passed over: each has an item, or stands below one", () => {
  const text = `### A\n- [ ] **Box**: b\n- **Bullet**: b\n\`\`\`bash\n# one\nls\nNAME=1  # two\n\`\`\`\n\`\`\`yaml\na:\n  key: >5s  # c\n\`\`\`\n\`\`\`\n[x]\n\`\`\``;
  expect(templateItems(text)).toEqual([{ title: "A", items: ["Box", "Bullet", "# one", "NAME=1", "key: >5s", "[x]"] }]);
  const bullets = template.match(/^- /gm)!.length;
  // Each block begins with an item, so what follows belongs to one.
  const items = sections.flatMap((section) => section.items);
  expect(items.filter((item) => !/[#:=[]/.test(item))).toHaveLength(bullets);
  const begins = [...template.matchAll(/^```\w*\n(?:\w+:\n)?([^\n]*)\n.*?^```$/gms)].map(([, first]) => first!);
  expect(begins).toHaveLength(9);
  expect(begins.filter((first) => !items.some((item) => first.includes(item)))).toEqual([]);
});

test("each named test is in its file, and every row has one", () => {
  const rows = TEMPLATE_ROWS.flatMap(([, all]) => all);
  expect(rows.filter(({ proofs }) => proofs.length === 0).map(({ item }) => item)).toEqual([]);
  const missing = rows.flatMap(({ proofs }) => proofs).filter(([file, name]) => !testNames(file).includes(name));
  expect(missing).toEqual([]);
});

test("docs/template.md is what the rows say (else run: npm run docs)", () => {
  expect(readFileSync("docs/template.md", "utf8")).toBe(templateMarkdown());
});
