/**
 * Calls whose arguments are a JSON object: its reading, and lists of `{"name": …, "arguments": {…}}` under whatever names. Called by the
 * files of those formats.
 */
import type { Tool } from "../../../contract/generation.ts";
import { EMPTY, type Expression, sequence, text } from "../../../grammar/expression.ts";
import type { CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { type CallNames, jsonCall, ScriptReader, tellCall } from "../script.ts";
import { anyTool, BLANK } from "./parts.ts";

/** Reads the name of a tool, what follows it and the arguments, and tells the call. @returns false: it is none, or cut short */
export function* readCall(scan: Scanner, { tools, newId }: ReaderContext, after: string): Reading<boolean> {
  const found = yield* scan.oneOf(tools.map((tool) => tool.function.name + after));
  if (found === undefined) return false;
  return yield* tellCall(scan, found.slice(0, found.length - after.length), newId());
}

export interface ListMarks extends CallNames {
  /** What may begin a list; the first is what a required call begins with. */
  readonly open: readonly string[];
  /** Behind the list; empty: nothing. */
  readonly close: string;
  /** A member before the name, which holds some number in quotes. */
  readonly id?: string;
}

export function jsonList(marks: ListMarks): CallFormat {
  const behind = (grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression => {
    const call = anyTool(tools, (tool) => objectOf(marks, tool, grammar));
    const list = severalCalls(grammar, call, sequence(text(","), BLANK), parallel);
    return sequence(BLANK, text("["), BLANK, list, BLANK, text(`]${marks.close}`));
  };
  return {
    triggers: () => marks.open.map((open) => ({ text: open })),
    behind,
    whole: (grammar, tools, parallel) => sequence(text(marks.open[0]!), behind(grammar, tools, parallel)),
    reader: (_, context) => new ScriptReader((scan) => readList(scan, marks, context)),
  };
}

function objectOf(marks: ListMarks, tool: Tool, grammar: CallGrammar): Expression {
  const id = marks.id === undefined ? EMPTY : sequence(text(`"${marks.id}": "`), grammar.share(DIGITS), text('", '));
  const name = text(`"${marks.name}": ${JSON.stringify(tool.function.name)}, "${marks.arguments}": `);
  return sequence(text("{"), id, name, grammar.arguments(tool), text("}"));
}

const DIGITS: Expression = { kind: "repeat", item: { kind: "set", ranges: [[48, 57]] }, min: 1, max: 4 };

function* readList(scan: Scanner, marks: ListMarks, context: ReaderContext): Reading<boolean> {
  let next = yield* scan.next(["["]);
  if (next === undefined) return false;
  while (next !== "]") {
    if (!(yield* jsonCall(scan, marks, context))) return false;
    next = yield* scan.next([",", "]"]);
    if (next === undefined) return false;
  }
  // Without a grammar the mark may be missing: the calls are over all the same.
  if (marks.close !== "") yield* scan.next([marks.close]);
  return true;
}
