/**
 * How much structure a JSON text has, counted before it is parsed. Called where bodies of requests and
 * lines of batches are read. Each object and each member costs thousands of
 * instructions in the decoders, on the one thread that all streams share, and some hundred bytes: 30 MB of `{}` would take a minute and
 * all memory. Numbers and strings in lists are cheap and not counted: a prompt may be millions of token ids.
 */

/** Objects, lists and members. A conversation of two thousand turns with two hundred tools has half of it. */
export const MAX_PARTS = 131_072;
/** Everything that walks a value by recursion holds so much. */
export const MAX_DEPTH = 1000;

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c] as const;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d] as const;

/** What is too much, for people; undefined: nothing. Of a text that is no JSON it may say anything. */
export function excessOf(text: string): string | undefined {
  let parts = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA) continue;
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COLON) parts++;
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      parts++;
      if (++depth > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH} levels`;
    }
    if (parts > MAX_PARTS) return `it has more than ${MAX_PARTS} objects, lists and members`;
  }
  return undefined;
}

/** Where its closing quote stands, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
  }
  return text.length;
}
