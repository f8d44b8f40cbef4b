/** Writes docs/settings.md and docs/errors.md from their tables, docs/t-cases.md and docs/template.md from the names of the tests. Run from the root of the repository by `npm run docs`. */
import { writeFileSync } from "node:fs";
import { errorsMarkdown, settingsMarkdown } from "../src/config/markdown.ts";
import { tCasesMarkdown } from "./t-cases.ts";
import { templateMarkdown } from "./template-table.ts";

writeFileSync("docs/settings.md", settingsMarkdown());
writeFileSync("docs/errors.md", errorsMarkdown());
writeFileSync("docs/t-cases.md", tCasesMarkdown());
writeFileSync("docs/template.md", templateMarkdown());
