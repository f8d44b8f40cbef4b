/**
 * Which line of a template failed. The engine's errors carry no position, so the failing rendering is repeated
 * with a call before each tag that notes the tag's line. Called only when an error is about to be reported.
 */
import { JinjaTemplate, type Variables } from "./jinja.ts";

const PROBE = "shimmy_template_line";

/** The line (from 1) of the last tag that was reached; "unknown" when the failure cannot be repeated. */
export function failingLine(source: string, variables: Variables): number | "unknown" {
  let line: number | "unknown" = "unknown";
  try {
    const note = (at: number) => {
      line = at;
    };
    new JinjaTemplate(withProbes(source)).render({ ...variables, [PROBE]: note });
    return "unknown";
  } catch {
    // The failure that was asked about; its text is already known.
    return line;
  }
}

function withProbes(source: string): string {
  let output = "";
  let from = 0;
  let line = 1;
  for (let open = source.search(/\{[{%#]/); open !== -1; open = nextTag(source, from)) {
    line += newlines(source.slice(from, open));
    const end = tagEnd(source, open);
    const tag = source.slice(open, end);
    output += source.slice(from, open) + (tag[1] === "#" ? "" : `{{ ${PROBE}(${line}) }}`) + tag;
    line += newlines(tag);
    from = end;
  }
  return output + source.slice(from);
}

function nextTag(source: string, from: number): number {
  const offset = source.slice(from).search(/\{[{%#]/);
  return offset === -1 ? -1 : from + offset;
}

/** Where the tag that opens at `open` ends; a closing mark inside a quoted string does not count. */
function tagEnd(source: string, open: number): number {
  const kind = source[open + 1];
  if (kind === "#") {
    const end = source.indexOf("#}", open + 2);
    return end === -1 ? source.length : end + 2;
  }
  const close = kind === "{" ? "}}" : "%}";
  let depth = 0;
  for (let at = open + 2; at < source.length; at++) {
    const char = source[at]!;
    if (char === "'" || char === '"') at = quoteEnd(source, at);
    else if (depth === 0 && source.startsWith(close, at)) return at + 2;
    else if (char === "{") depth++;
    else if (char === "}") depth--;
  }
  return source.length;
}

function quoteEnd(source: string, open: number): number {
  for (let at = open + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === source[open]) return at;
  }
  return source.length;
}

function newlines(text: string): number {
  return text.split("\n").length - 1;
}
