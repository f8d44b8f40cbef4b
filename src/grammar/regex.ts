/**
 * Regular expressions as JSON Schema has them (ECMA-262, with the flag u) → a tree, for what a grammar can do: characters,
 * classes, groups, alternation, repetition, anchors at the ends. Look-around, back-references, word boundaries and properties of
 * characters are refused by name. Called by strings.ts. Pure.
 */
import { ALL, complement, union } from "./characters.ts";
import type { Range } from "./expression.ts";

export type Regex =
  | { readonly kind: "set"; readonly ranges: readonly Range[] }
  | { readonly kind: "sequence"; readonly items: readonly Regex[] }
  | { readonly kind: "choice"; readonly items: readonly Regex[] }
  | { readonly kind: "repeat"; readonly item: Regex; readonly min: number; readonly max: number }
  | { readonly kind: "anchor"; readonly at: "start" | "end" };

/** What is wrong with a pattern, or what a grammar cannot do. */
export class RegexError extends Error {}

const MAX_LENGTH = 10_000;
const MAX_DEPTH = 100;

const range = (first: string, last = first): Range => [first.codePointAt(0)!, last.codePointAt(0)!];
const DIGIT = [range("0", "9")];
const WORD = union([range("0", "9"), range("A", "Z"), range("a", "z"), range("_")]);
/** White space and line ends of ECMA-262. */
const SPACE: readonly Range[] = union([
  [9, 13],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);
const NOT_LINE_END = complement([
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
]);
const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

/** @throws RegexError with the reason. */
export function parseRegex(pattern: string): Regex {
  if (pattern.length > MAX_LENGTH) throw new RegexError(`it is longer than ${MAX_LENGTH} characters`);
  try {
    new RegExp(pattern);
  } catch (error) {
    throw new RegexError(`it is not a regular expression: ${(error as Error).message}`);
  }
  return new Parser([...pattern]).whole();
}

class Parser {
  #at = 0;
  #depth = 0;

  constructor(readonly chars: readonly string[]) {}

  whole(): Regex {
    const regex = this.#choice();
    if (this.#at < this.chars.length) throw new RegexError("it has a ) without a (");
    return regex;
  }

  #take(text: string): boolean {
    if (![...text].every((char, i) => this.chars[this.#at + i] === char)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Regex {
    if (++this.#depth > MAX_DEPTH) throw new RegexError(`its groups are nested more than ${MAX_DEPTH} deep`);
    const items = [this.#sequence()];
    while (this.#take("|")) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? items[0]! : { kind: "choice", items };
  }

  #sequence(): Regex {
    const items: Regex[] = [];
    for (let char = this.chars[this.#at]; char !== undefined && char !== "|" && char !== ")"; char = this.chars[this.#at])
      items.push(this.#quantified(this.#atom()));
    return items.length === 1 ? items[0]! : { kind: "sequence", items };
  }

  #quantified(item: Regex): Regex {
    const bounds = this.#bounds();
    if (!bounds) return item;
    if (item.kind === "anchor") throw new RegexError("it repeats an anchor");
    this.#take("?"); // a lazy quantifier finds other pieces, but in the same texts
    const [min, max] = bounds;
    if (min > max) throw new RegexError("it has a repetition of {more,less}");
    if (lengthsOf(item)[0] > 0) return { kind: "repeat", item, min, max };
    // Repeated, the empty text adds nothing, and libllama takes it for left recursion.
    return { kind: "repeat", item: withoutEmpty(item), min: 0, max };
  }

  #bounds(): [number, number] | undefined {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    const counts = /^\{(\d+)(,?)(\d*)\}/.exec(this.chars.slice(this.#at, this.#at + 32).join(""));
    if (!counts) return undefined;
    this.#at += counts[0].length;
    const min = Number(counts[1]);
    if (counts[2] === "") return [min, min];
    return [min, counts[3] === "" ? Number.POSITIVE_INFINITY : Number(counts[3])];
  }

  #atom(): Regex {
    const char = this.chars[this.#at++]!;
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "set", ranges: this.#class() };
      case ".":
        return { kind: "set", ranges: NOT_LINE_END };
      case "^":
        return { kind: "anchor", at: "start" };
      case "$":
        return { kind: "anchor", at: "end" };
      case "\\":
        return { kind: "set", ranges: this.#escape(false) };
      default:
        return { kind: "set", ranges: [range(char)] };
    }
  }

  #group(): Regex {
    if (this.#take("?")) {
      if (["=", "!", "<=", "<!"].some((look) => this.#take(look))) throw new RegexError("look-ahead and look-behind cannot be enforced");
      if (this.#take("<")) while (!this.#take(">")) this.#at++;
      else if (!this.#take(":")) throw new RegexError("flags in a group cannot be enforced");
    }
    const inner = this.#choice();
    this.#take(")");
    return inner;
  }

  #class(): readonly Range[] {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const first = this.#classAtom();
      if (this.chars[this.#at] === "-" && this.chars[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#classAtom();
        const single = (atom: readonly Range[]) => atom.length === 1 && atom[0]![0] === atom[0]![1];
        if (!single(first) || !single(last)) throw new RegexError("it has a range between classes");
        ranges.push([first[0]![0], last[0]![0]]);
      } else {
        ranges.push(...first);
      }
    }
    return negated ? complement(ranges) : union(ranges);
  }

  #classAtom(): readonly Range[] {
    const char = this.chars[this.#at++]!;
    return char === "\\" ? this.#escape(true) : [range(char)];
  }

  #escape(inClass: boolean): readonly Range[] {
    const char = this.chars[this.#at++]!;
    const known = CLASSES[char];
    if (known) return known;
    const control = CONTROLS[char];
    if (control !== undefined) return [[control, control]];
    if (inClass && char === "b") return [[8, 8]];
    if (char === "b" || char === "B") throw new RegexError("word boundaries cannot be enforced");
    if (char === "p" || char === "P") throw new RegexError("properties of characters (\\p) cannot be enforced");
    if (char === "0" && !/\d/.test(this.chars[this.#at] ?? "")) return [[0, 0]];
    if (/[0-9k]/.test(char)) throw new RegexError("references to groups cannot be enforced");
    if (char === "x" || char === "u" || char === "c") return [this.#code(char)];
    return [range(char)];
  }

  /** `\xHH`, `\uHHHH` (a surrogate pair is one character) or `\u{H…}`. */
  #code(kind: string): Range {
    const rest = this.chars.slice(this.#at, this.#at + 16).join("");
    const found = (kind === "x" ? /^([\da-f]{2})/i : /^(?:\{([\da-f]{1,6})\}|(d[89ab][\da-f]{2})\\u(d[c-f][\da-f]{2})|([\da-f]{4}))/i).exec(
      rest,
    );
    if (!found || kind === "c") throw new RegexError(`it has an escape \\${kind} that is not understood`);
    this.#at += found[0].length;
    const [, one, high, low, four] = found;
    const code = high
      ? String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low!, 16)).codePointAt(0)!
      : Number.parseInt(one ?? four!, 16);
    if (!ALL.some(([first, last]) => first <= code && code <= last)) throw new RegexError("it has half a surrogate pair");
    return [code, code];
  }
}

/** The same without the empty text. */
function withoutEmpty(regex: Regex): Regex {
  if (lengthsOf(regex)[0] > 0) return regex;
  if (regex.kind === "choice") {
    const items = regex.items.filter((item) => lengthsOf(item)[1] > 0).map(withoutEmpty);
    if (items.length > 0) return { kind: "choice", items };
  }
  if (regex.kind === "repeat") return { ...regex, item: withoutEmpty(regex.item), min: 1 };
  if (regex.kind === "sequence" && regex.items.length === 1) return withoutEmpty(regex.items[0]!);
  throw new RegexError("it repeats a group that may be empty");
}

/** The least and the largest number of characters. */
export function lengthsOf(regex: Regex): readonly [min: number, max: number] {
  switch (regex.kind) {
    case "set":
      return [1, 1];
    case "anchor":
      return [0, 0];
    case "sequence":
      return regex.items.map(lengthsOf).reduce(([a, b], [min, max]) => [a + min, b + max], [0, 0]);
    case "choice": {
      const lengths = regex.items.map(lengthsOf);
      return [Math.min(...lengths.map(([min]) => min)), Math.max(...lengths.map(([, max]) => max))];
    }
    case "repeat": {
      const [min, max] = lengthsOf(regex.item);
      return [min * regex.min, max === 0 ? 0 : max * regex.max];
    }
  }
}

const ANYTHING: Regex = { kind: "repeat", item: { kind: "set", ranges: ALL }, min: 0, max: Number.POSITIVE_INFINITY };

/**
 * The whole texts in which a search for `regex` succeeds: without anchors, and with anything before or after where none stood.
 * @throws RegexError for an anchor that is not at an end.
 */
export function wholeTexts(regex: Regex): Regex {
  if (regex.kind === "choice") return { kind: "choice", items: regex.items.map(wholeTexts) };
  let items: readonly Regex[] = regex.kind === "sequence" ? regex.items : [regex];
  const isAnchor = (item: Regex | undefined, at: "start" | "end") => item?.kind === "anchor" && item.at === at;
  const begins = isAnchor(items[0], "start");
  while (isAnchor(items[0], "start")) items = items.slice(1);
  const ends = isAnchor(items.at(-1), "end");
  while (isAnchor(items.at(-1), "end")) items = items.slice(0, -1);
  // A group around all of it, as in ^(?:…)$ or (^…$), may hold the anchors.
  if (items.length === 1 && items[0]!.kind !== "set" && items[0]!.kind !== "repeat" && holdsAnchor(items[0]!))
    return wholeTexts(withAnchors(items[0]!, begins, ends));
  if (items.some(holdsAnchor)) throw new RegexError("anchors can only be enforced at the ends");
  return { kind: "sequence", items: [...(begins ? [] : [ANYTHING]), ...items, ...(ends ? [] : [ANYTHING])] };
}

function withAnchors(regex: Regex, begins: boolean, ends: boolean): Regex {
  if (regex.kind === "choice") return { kind: "choice", items: regex.items.map((item) => withAnchors(item, begins, ends)) };
  const start: Regex[] = begins ? [{ kind: "anchor", at: "start" }] : [];
  const end: Regex[] = ends ? [{ kind: "anchor", at: "end" }] : [];
  return { kind: "sequence", items: [...start, ...(regex.kind === "sequence" ? regex.items : [regex]), ...end] };
}

function holdsAnchor(regex: Regex): boolean {
  if (regex.kind === "set") return false;
  if (regex.kind === "anchor") return true;
  return regex.kind === "repeat" ? holdsAnchor(regex.item) : regex.items.some(holdsAnchor);
}
