/**
 * A set of texts as a grammar in which no two alternatives begin alike: libllama follows every alternative that still fits, so
 * twenty thousand side by side take it a quarter of a second a token, and a trie of them 15 µs. Called by compile.ts and objects.ts.
 */
import { complement } from "./characters.ts";
import { choice, EMPTY, type Expression, type Range, repeat, rule, sequence, text } from "./expression.ts";
import { type Grammar, literal } from "./gbnf.ts";

/** Deeper than this texts stand side by side; only texts that begin with each other get there. */
const MAX_DEPTH = 200;

export function oneOfTexts(texts: readonly string[], grammar: Grammar): Expression {
  const sorted = [...new Set(texts)].sort();
  if (sorted.length === 1) return text(sorted[0]!);
  return rule(node(sorted, { from: 0, to: sorted.length, at: 0, depth: 0 }, grammar));
}

/** The texts `from`…`to` share their first `at` characters. */
interface Place {
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly depth: number;
}

/** @returns the name of the rule that matches what follows. */
function node(sorted: readonly string[], { from, to, at, depth }: Place, grammar: Grammar): string {
  const name = grammar.fresh("t");
  const alternatives: string[] = [];
  for (let first = from; first < to; ) {
    const head = sorted[first]!;
    const after = groupEnd(sorted, first, to, at);
    if (after - first === 1 || depth >= MAX_DEPTH) {
      for (; first < after; first++) alternatives.push(literal(sorted[first]!.slice(at)));
      continue;
    }
    const shared = sharedLength(head, sorted[after - 1]!);
    const rest = node(sorted, { from: first, to: after, at: shared, depth: depth + 1 }, grammar);
    alternatives.push(`${literal(head.slice(at, shared))} ${rest}`);
    first = after;
  }
  grammar.addText(name, alternatives.join(" | "));
  return name;
}

/** Where the texts end that have the same character at `at` as the first. */
function groupEnd(sorted: readonly string[], first: number, to: number, at: number): number {
  const char = sorted[first]!.codePointAt(at);
  if (char === undefined) return first + 1;
  let end = first + 1;
  while (end < to && sorted[end]!.codePointAt(at) === char) end++;
  return end;
}

/** Of two texts; a surrogate pair is not cut. */
function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  const last = a.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length;
}

/** Any text of these characters but the given ones, one character at a time. `any`: what a set of them looks like. */
export function noneOfTexts(texts: readonly string[], grammar: Grammar, any: (ranges: readonly Range[]) => Expression): Expression {
  const name = grammar.fresh("other");
  const rests = new Map<number, string[]>();
  for (const each of texts.filter((each) => each !== "")) {
    const first = each.codePointAt(0)!;
    const rest = each.slice(String.fromCodePoint(first).length);
    const below = rests.get(first);
    if (below) below.push(rest);
    else rests.set(first, [rest]);
  }
  const firsts = [...rests.keys()].map((first): Range => [first, first]);
  const differs = sequence(any(complement(firsts)), repeat(any(complement([])), 0, Number.POSITIVE_INFINITY));
  const goesOn = [...rests].map(([first, below]) => sequence(any([[first, first]]), noneOfTexts(below, grammar, any)));
  grammar.define(name, choice(...(texts.includes("") ? [] : [EMPTY]), differs, ...goesOn));
  return rule(name);
}
