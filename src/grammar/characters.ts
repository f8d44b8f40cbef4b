/**
 * Sets of characters, and characters as they are written inside of a JSON string (RFC 8259). Used by regular expressions and
 * strings. Pure.
 */
import { choice, type Expression, type Range, sequence, set, text } from "./expression.ts";

/** Every character that UTF-8 can carry: no surrogates. */
export const ALL: readonly Range[] = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** What may stand in a JSON string as it is. */
const UNESCAPED: readonly Range[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** In order, and those that touch are one. */
export function union(...sets: ReadonlyArray<readonly Range[]>): Range[] {
  const sorted = sets.flat().sort(([a], [b]) => a - b);
  const merged: Range[] = [];
  for (const [first, last] of sorted) {
    const previous = merged.at(-1);
    if (previous && first <= previous[1] + 1) merged[merged.length - 1] = [previous[0], Math.max(previous[1], last)];
    else merged.push([first, last]);
  }
  return merged;
}

export function intersection(a: readonly Range[], b: readonly Range[]): Range[] {
  const common = a.flatMap(([first, last]) =>
    b.map(([from, to]): Range => [Math.max(first, from), Math.min(last, to)]).filter(([from, to]) => from <= to),
  );
  return union(common);
}

export function complement(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let next = 0;
  for (const [first, last] of union(ranges)) {
    if (first > next) gaps.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= 0x10ffff) gaps.push([next, 0x10ffff]);
  return intersection(gaps, ALL);
}

/** One character of the set inside of a JSON string: as it is where that may be, else in the spelling of JSON.stringify. */
export function encoded(ranges: readonly Range[]): Expression {
  const escaped = intersection(ranges, complement(UNESCAPED)).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => text(JSON.stringify(String.fromCodePoint(first + i)).slice(1, -1))),
  );
  return choice(set(intersection(ranges, UNESCAPED)), ...escaped);
}

/** One character of the set that needs no escape. */
export function unescaped(ranges: readonly Range[]): Expression {
  return set(intersection(ranges, UNESCAPED));
}

const hexDigits = (...ranges: ReadonlyArray<readonly [string, string]>) =>
  set(union(ranges.map(([a, b]): Range => [a.charCodeAt(0), b.charCodeAt(0)])));
const HEX = hexDigits(["0", "9"], ["A", "F"], ["a", "f"]);

/** Any character in any of its spellings, a surrogate pair as one: so characters are counted as JSON Schema counts them. */
export function anyEncoded(): Expression {
  const single = sequence(hexDigits(["0", "9"], ["A", "C"], ["E", "F"], ["a", "c"], ["e", "f"]), HEX, HEX, HEX);
  const d = set([
    [0x44, 0x44],
    [0x64, 0x64],
  ]);
  const belowSurrogates = sequence(d, hexDigits(["0", "7"]), HEX, HEX);
  const pair = sequence(
    d,
    hexDigits(["8", "9"], ["A", "B"], ["a", "b"]),
    HEX,
    HEX,
    text("\\u"),
    d,
    hexDigits(["C", "F"], ["c", "f"]),
    HEX,
    HEX,
  );
  const short = set(union([...'"\\/bfnrt'].map((char): Range => [char.charCodeAt(0), char.charCodeAt(0)])));
  return choice(unescaped(ALL), sequence(text("\\"), choice(short, sequence(text("u"), choice(single, belowSurrogates, pair)))));
}
