/** Grammars of calls that are JSON objects, for the formats that write them so. Its reader is `jsonCall` of script.ts. */
import type { Tool } from "../../contract/generation.ts";
import { choice, type Expression, repeat, sequence, text } from "../../grammar/expression.ts";
import type { CallGrammar } from "./format.ts";
import type { CallNames } from "./script.ts";

/** Most calls of an answer that must call: a small model goes on for ever. */
const MOST_CALLS = 16;

/** `{"name": "f", "arguments": {…}}`, spelled as Python's json.dumps does, since templates print calls so. `tail`: stands before the brace. */
export function jsonCallGrammar(grammar: CallGrammar, tools: readonly Tool[], names: CallNames, tail: Expression = text("")): Expression {
  const calls = tools.map((tool) => {
    const head = `{"${names.name}": ${JSON.stringify(tool.function.name)}, "${names.arguments}": `;
    return sequence(text(head), grammar.arguments(tool), tail, text("}"));
  });
  return choice(...calls);
}

/** One of these, or several where that is allowed. */
export function severalCalls(grammar: CallGrammar, call: Expression, separator: Expression, parallel: boolean): Expression {
  if (!parallel) return call;
  const one = grammar.share(call);
  return sequence(one, repeat(sequence(separator, one), 0, MOST_CALLS - 1));
}
