/**
 * What a Markdown document shows to type: fenced blocks, their command lines, code in running text, links, headings. Used by test/documents/.
 * It reads CommonMark as far as documents of this project use it, and knows no document.
 */

export interface Fence {
  /** In small letters, "" when none is named. */
  readonly language: string;
  /** Of its first line of text, from 1. */
  readonly line: number;
  /** Without the indentation of the fence. */
  readonly text: string;
}

export interface Placed {
  readonly line: number;
  readonly text: string;
}

const FENCE = /^( *)(`{3,}|~{3,}) *([\w+-]*).*$/;

/** @returns the fenced blocks, and the lines of the document with those blocks empty. */
function split(text: string): { fences: Fence[]; prose: string[] } {
  const fences: Fence[] = [];
  const prose: string[] = [];
  let open: { indent: number; mark: string; language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const [, indent = "", mark, language = ""] = FENCE.exec(line) ?? [];
    prose.push("");
    if (open && mark?.startsWith(open.mark) && line.trim() === mark) {
      fences.push({ language: open.language, line: open.line, text: open.lines.join("\n") });
      open = undefined;
    } else if (open) open.lines.push(line.slice(Math.min(open.indent, line.search(/\S|$/))));
    else if (mark) open = { indent: indent.length, mark, language: language.toLowerCase(), line: index + 2, lines: [] };
    else prose[index] = line;
  }
  if (open) throw new Error(`a block begins before line ${open.line} and does not end`);
  return { fences, prose };
}

export function fences(text: string): Fence[] {
  return split(text).fences;
}

/** Spans of code between backticks, of one backtick or two, also over a line's end. Comments of HTML hold none. */
export function inlineCode(text: string): Placed[] {
  const prose = split(text)
    .prose.join("\n")
    .replace(/<!--.*?-->/gs, (comment) => comment.replace(/[^\n]/g, " "));
  return [...prose.matchAll(/(?<!`)(`{1,2})(?!`)((?:(?!\n\n).)+?)(?<!`)\1(?!`)/gs)].map(({ 2: code, index }) => ({
    line: prose.slice(0, index).split("\n").length,
    text: code!.replace(/\s+/g, " ").trim(),
  }));
}

/** Targets of `[text](target)`, as they stand. */
export function links(text: string): Placed[] {
  return split(text).prose.flatMap((line, index) =>
    [...line.replace(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map(({ 1: target }) => ({ line: index + 1, text: target! })),
  );
}

/** What `#…` may name: headings as GitHub spells them. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>();
  for (const line of split(text).prose) {
    const heading = /^#{1,6} +(.*?) *#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-"); // biome-ignore format: one step a call
    let unique = slug;
    for (let count = 1; found.has(unique); count++) unique = `${slug}-${count}`;
    found.add(unique);
  }
  return found;
}

/**
 * The commands of a block of shell, without comments: lines that a quote, a backslash, a pipe, `&&`, `||` or a here-document carries on are one.
 * @throws Error for a block that ends within a command
 */
export function commandLines(block: string): Placed[] {
  const commands: Placed[] = [];
  let text = "";
  let began = 0;
  let until: string | undefined;
  for (const [index, line] of block.split("\n").entries()) {
    if (text === "") began = index;
    if (until !== undefined) {
      text += `\n${line}`;
      if (line.trim() !== until) continue;
      until = undefined;
    } else {
      const { kept, heredoc } = withoutComment(text, line);
      text = text === "" ? kept : `${text}\n${kept}`;
      until = heredoc;
      if (text.trim() === "") text = "";
    }
    if (text === "" || until !== undefined || quoteAfter(text) !== "" || /(\\|\||&&)\s*$/.test(text)) continue;
    commands.push({ line: began + 1, text: text.trim() });
    text = "";
  }
  if (text !== "") throw new Error(`the block ends within a command: ${text}`);
  return commands;
}

/** `line` up to a comment of the shell, read as what follows `before`. */
function withoutComment(before: string, line: string): { kept: string; heredoc: string | undefined } {
  let quote = quoteAfter(before);
  for (let at = 0; at < line.length; at++) {
    const next = step(quote, line, at);
    if (next === "\\") at++;
    else quote = next;
    if (quote === "" && line[at] === "#" && /(^|\s)$/.test(line.slice(0, at)))
      return { kept: line.slice(0, at).trimEnd(), heredoc: undefined };
  }
  return { kept: line.trimEnd(), heredoc: quote === "" ? /<<-?\s*['"]?(\w+)/.exec(line)?.[1] : undefined };
}

/** The quote that is open at the end of `text`, or "". */
function quoteAfter(text: string): string {
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const next = step(quote, text, at);
    if (next === "\\") at++;
    else quote = next;
  }
  return quote;
}

/** The open quote after the character at `at`; a backslash means that the next character is skipped. */
function step(quote: string, text: string, at: number): string {
  const character = text[at]!;
  if (character === "\\" && quote !== "'") return "\\";
  if (quote !== "") return character === quote ? "" : quote;
  return character === "'" || character === '"' ? character : "";
}
