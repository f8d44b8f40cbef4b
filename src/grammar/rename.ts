/** Makes a grammar of a caller part of a larger one: all its rules get other names. Called where one is combined with tool calls. */

/** Texts, classes, comments, tokens and counts, which hold no names, or a name. */
const PART = /"(?:\\[\s\S]|[^"\\])*"|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\r\n]*|!?<[^>\n]*>|\{[^}]*\}|[A-Za-z0-9-]+/g;

/** The same grammar with `prefix` before the name of each rule. */
export function withPrefix(gbnf: string, prefix: string): string {
  return gbnf.replace(PART, (part) => (/^[A-Za-z0-9-]/.test(part) ? prefix + part : part));
}
