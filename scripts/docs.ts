/** Writes docs/settings.md and docs/errors.md from their tables. Run from the root of the repository by `npm run docs`. */
import { writeFileSync } from "node:fs";
import { errorsMarkdown, settingsMarkdown } from "../src/config/markdown.ts";

writeFileSync("docs/settings.md", settingsMarkdown());
writeFileSync("docs/errors.md", errorsMarkdown());
