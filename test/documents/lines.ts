/** The lines of a source that somebody may type, and whether they are whole commands. Used by commands.test.ts. */
import { commandLines, fences, inlineCode } from "../support/markdown.ts";
import type { Source } from "./sources.ts";

export interface Line {
  readonly source: Source;
  readonly line: number;
  readonly text: string;
  /** Code in running text; false: a line of a block, which is typed after those before it. */
  readonly inline: boolean;
}

const SHELLS = new Set(["sh", "bash", "shell", "console", "zsh"]);
/** In running text anything between backticks may begin like a word of English; a command begins with one of these. */
const PROGRAMS =
  "shimmy|node|npm|npx|curl|python3?|docker|kubectl|systemctl|systemd-analyze|journalctl|launchctl|brew|sudo|tail|echo|fly|railway|sam|helm|nginx|haproxy|llama-server|promtool|prometheus";
const COMMAND = new RegExp(`^([A-Z_]+=\\S* )*(${PROGRAMS}) \\S`);

/** In their order. */
export function linesOf(source: Source): Line[] {
  const lines: Line[] = [];
  for (const { language, line, text } of fences(source.text)) {
    const shown = /^\$ /m.test(text) && language !== "sh" ? text.replace(/^(?!\$ ).*$/gm, "").replace(/^\$ /gm, "") : text;
    const typed = SHELLS.has(language) ? commandLines(shown) : language === "" ? unnamed(shown) : [];
    lines.push(...typed.map((each) => ({ source, line: line + each.line - 1, text: each.text, inline: false })));
  }
  const inline = inlineCode(source.text).filter(({ text }) => COMMAND.test(text));
  return [...lines, ...inline.map(({ line, text }) => ({ source, line, text, inline: true }))];
}

/** A block without a language is a drawing more often than a command. */
function unnamed(text: string) {
  return text
    .replace(/\s+#\s.*$/gm, "")
    .split("\n")
    .flatMap((line, index) => (COMMAND.test(line.trim()) ? [{ line: index + 1, text: line.trim() }] : []));
}
