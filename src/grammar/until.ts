/** Text up to a mark that stands nowhere before: what formats without JSON write between two marks. Used by the grammars of calls. */
import { complement } from "./characters.ts";
import { choice, EMPTY, type Expression, type Range, rule, sequence, set } from "./expression.ts";
import type { Grammar } from "./gbnf.ts";

/** Everything up to and with the first `end`. A rule for each part of `end` that may have been written: Knuth, Morris and Pratt's automaton. */
export function untilText(end: string, grammar: Grammar): Expression {
  const marks = [...end];
  const states = marks.map(() => grammar.fresh("until"));
  marks.forEach((_, written) => {
    const next = new Map<string, number>();
    for (const char of new Set(marks)) next.set(char, overlap(marks, [...marks.slice(0, written), char]));
    const ways = [...next].map(([char, length]) => {
      const code = char.codePointAt(0)!;
      return sequence(set([[code, code]]), length === marks.length ? EMPTY : rule(states[length]!));
    });
    const others = complement([...next.keys()].map((char): Range => [char.codePointAt(0)!, char.codePointAt(0)!]));
    grammar.define(states[written]!, choice(...ways, sequence(set(others), rule(states[0]!))));
  });
  return states.length === 0 ? EMPTY : rule(states[0]!);
}

/** How much of the beginning of `marks` the end of `text` is. */
function overlap(marks: readonly string[], text: readonly string[]): number {
  for (let length = Math.min(marks.length, text.length); length > 0; length--)
    if (marks.slice(0, length).every((char, i) => char === text[text.length - length + i])) return length;
  return 0;
}
