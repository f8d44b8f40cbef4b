/**
 * docs/template.md: each promise of the integration template, what of Shimmy keeps it, and the tests that hold it. Run by docs.ts; read by
 * test/template-table.test.ts, which fails where the template has a line that no row is about, or a row names a test that is not there.
 */
import { plain } from "./named-tests.ts";
import { TEMPLATE_ROWS } from "./template-rows.ts";

/** File and the beginning of the name of one of its tests. */
export type Proof = readonly [file: string, name: string];

export interface Row {
  /** As `templateItems` names it. */
  readonly item: string;
  /** What keeps it: a command, a setting, a route, a metric. */
  readonly by: string;
  /** Empty: it is up to whoever integrates, and `by` begins with "Yours". */
  readonly proofs: readonly Proof[];
}

export interface Section {
  readonly title: string;
  readonly items: readonly string[];
}

/**
 * What the template says, by its headings: bullets by their bold words, bash blocks by their comments and assignments (the lines below a
 * comment belong to it), YAML blocks by their keys, a block without a language by its line.
 */
export function templateItems(markdown: string): readonly Section[] {
  const sections: Array<{ title: string; items: string[] }> = [];
  let fence: string | undefined;
  for (const line of markdown.split("\n")) {
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (language !== undefined) {
      fence = fence === undefined ? language : undefined;
      continue;
    }
    const heading = fence === undefined ? /^#{3,} (.*)$/.exec(line)?.[1] : undefined;
    const item = itemOf(line, fence);
    if (heading !== undefined) sections.push({ title: heading, items: [] });
    else if (item !== undefined) sections.at(-1)?.items.push(item);
  }
  return sections;
}

function itemOf(line: string, fence: string | undefined): string | undefined {
  if (fence === undefined) return /^- (?:\[ \] )?\*\*(.*?)\*\*/.exec(line)?.[1];
  if (fence === "yaml") return /^ {2}(\w+:.*?)(?:\s+#.*)?$/.exec(line)?.[1];
  if (fence === "") return line;
  return /^# /.test(line) ? line : /^([A-Z_]+=\S+)\s+#/.exec(line)?.[1];
}

/** Sections without rows of their own only hold others. */
export function templateMarkdown(): string {
  const parts = TEMPLATE_ROWS.map(([title, rows]) => `## ${title}\n\n${rows.map(entry).join("\n")}`);
  return `# The integration template, line by line

Written by \`npm run docs\` from \`scripts/template-rows.ts\`. What stands in \`docs/integration-template.md\`: each box, bullet, command, setting, metric and
threshold, what of Shimmy keeps it, and the tests that hold it.

${parts.join("\n\n")}
`;
}

function entry({ item, by, proofs }: Row): string {
  return [`- ${item.startsWith("#") || /[:=[]/.test(item) ? `\`${item}\`` : `**${item}**`}: ${by}`, ...proofs.map(told)].join("\n");
}

function told([file, name]: Proof): string {
  return `  - \`${file}\`: ${plain(name)}`;
}
