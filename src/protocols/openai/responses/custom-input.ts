/**
 * The text in the arguments of a custom tool, as they come: `{"input":"…"}` in fragments of JSON → pieces of the text. Called by answer.ts.
 */

const START = /^\s*\{\s*"input"\s*:\s*"/;
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

export class CustomInput {
  /** All of it: what is told in the end if it is no such object. */
  private json = "";
  /** Where in `json` the reading goes on; undefined before the text has begun. */
  private at: number | undefined;
  private told = "";
  private closed = false;

  /** @returns what this fragment adds to the text. */
  push(fragment: string): string {
    this.json += fragment;
    if (this.at === undefined) {
      this.at = START.exec(this.json)?.[0].length;
      if (this.at === undefined) return "";
    }
    const piece = this.closed ? "" : this.read(this.at);
    this.told += piece;
    return piece;
  }

  /** The whole text. Without the model's grammar the arguments may be anything: then they are the input as they are. */
  get text(): string {
    return this.at === undefined ? this.json : this.told;
  }

  /** Up to the end of the string, or to an escape that has not come whole. */
  private read(from: number): string {
    let piece = "";
    let at = from;
    while (at < this.json.length) {
      const char = this.json[at]!;
      if (char === '"') {
        this.closed = true;
        break;
      }
      const length = char === "\\" ? escapeLength(this.json, at) : 1;
      if (length === undefined) break;
      piece += length === 1 ? char : unescaped(this.json.slice(at, at + length));
      at += length;
    }
    this.at = at;
    return piece;
  }
}

/** Of the escape at `at`: 2, 6, or 12 for a pair of surrogates, which is one character; undefined while it is not all there. */
function escapeLength(json: string, at: number): number | undefined {
  const length = json[at + 1] === "u" ? 6 : 2;
  if (json.length < at + length) return undefined;
  if (length === 2 || !/^\\u[dD][89abAB]/.test(json.slice(at, at + 4))) return length;
  const next = json.slice(at + 6, at + 12);
  if (next.length < 6 && "\\u".startsWith(next.slice(0, 2))) return undefined;
  return /^\\u[dD][c-fC-F]/.test(next) ? 12 : 6;
}

function unescaped(spelled: string): string {
  if (spelled.length === 2) return ESCAPES[spelled[1]!] ?? spelled[1]!;
  return spelled.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
