/** Parts that the grammars of several formats share. Called by the files of the formats. */
import type { Tool } from "../../../contract/generation.ts";
import { choice, EMPTY, type Expression, optional, type Range, repeat, sequence, set, text } from "../../../grammar/expression.ts";
import type { CallGrammar, PropertyGrammar } from "../format.ts";

const BLANKS: readonly Range[] = [
  [9, 10],
  [32, 32],
];

/** White space where a format allows any: enough for an indented line, and no more, so that a model cannot go on with it for ever. */
export const BLANK: Expression = repeat(set(BLANKS), 0, 12);

/** One of the tools, each as `each` has it. */
export function anyTool(tools: readonly Tool[], each: (tool: Tool) => Expression): Expression {
  return choice(...tools.map(each));
}

/** The properties in their order; those that are not required may be left out. */
export function inOrder(properties: readonly PropertyGrammar[], each: (property: PropertyGrammar) => Expression): Expression {
  return sequence(...properties.map((property) => (property.required ? each(property) : optional(each(property)))));
}

/** The same, with a text between those that are there. */
export function inOrderBetween(
  properties: readonly PropertyGrammar[],
  between: Expression,
  each: (property: PropertyGrammar) => Expression,
  grammar: CallGrammar,
): Expression {
  let first: Expression = EMPTY;
  let later: Expression = EMPTY;
  for (const property of properties.toReversed()) {
    const own = grammar.share(each(property));
    const withOwn = sequence(own, later);
    first = property.required ? withOwn : choice(withOwn, first);
    const next = sequence(between, own);
    later = grammar.share(sequence(property.required ? next : optional(next), later));
  }
  return first;
}

/** A string as such formats print it: raw, up to a mark. */
export function rawText({ raw, json }: PropertyGrammar, end: string, grammar: CallGrammar): Expression {
  if (!raw) return sequence(json, text(end));
  return raw.choices ? sequence(choice(...raw.choices.map(text)), text(end)) : grammar.until(end);
}
