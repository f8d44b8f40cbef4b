/**
 * Alternatives that begin alike, written so that they part where they differ: libllama follows every alternative that still fits, at each
 * token. Used for calls of many tools, which all begin with the same marks. Pure.
 */
import { choice, EMPTY, type Expression, repeat, sequence, text } from "./expression.ts";

/** The same texts, with what choices share at their beginning taken out. Rules are left as they are. */
export function factored(expression: Expression): Expression {
  switch (expression.kind) {
    case "sequence":
      return sequence(...expression.items.map(factored));
    case "repeat":
      return repeat(factored(expression.item), expression.min, expression.max);
    case "choice":
      return choice(...merged(expression.items.map(factored).map(headOf)));
    default:
      return expression;
  }
}

interface Alternative {
  /** The text it begins with; may be empty. */
  readonly head: string;
  readonly rest: Expression;
}

function headOf(expression: Expression): Alternative {
  if (expression.kind === "text") return { head: expression.text, rest: EMPTY };
  if (expression.kind !== "sequence" || expression.items[0]?.kind !== "text") return { head: "", rest: expression };
  return { head: expression.items[0].text, rest: sequence(...expression.items.slice(1)) };
}

function merged(alternatives: readonly Alternative[]): Expression[] {
  const groups = new Map<string, Alternative[]>();
  alternatives.forEach((alternative, i) => {
    const [first] = alternative.head;
    const key = first ?? `none ${i}`;
    const group = groups.get(key);
    if (group) group.push(alternative);
    else groups.set(key, [alternative]);
  });
  return [...groups.values()].map((group) => {
    const [only] = group;
    if (group.length === 1) return sequence(text(only!.head), only!.rest);
    const shared = group.reduce((before, { head }) => sharedHead(before, head), only!.head);
    const rests = group.map(({ head, rest }) => ({ head: head.slice(shared.length), rest }));
    return sequence(text(shared), choice(...merged(rests)));
  });
}

/** Of two texts; a surrogate pair is not cut. */
function sharedHead(a: string, b: string): string {
  let shared = "";
  const others = [...b];
  for (const [i, char] of [...a].entries()) {
    if (char !== others[i]) break;
    shared += char;
  }
  return shared;
}
