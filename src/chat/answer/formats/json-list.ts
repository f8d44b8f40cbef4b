/**
 * Calls whose arguments are a JSON object: its reading, and lists of `{"name": …, "arguments": {…}}` under whatever names. Called by the
 * files of those formats.
 */
import type { Tool } from "../../../contract/generation.ts";
import { EMPTY, type Expression, optional, repeat, sequence, set, text } from "../../../grammar/expression.ts";
import { meant } from "../../meant.ts";
import type { CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { type CallNames, jsonCall, ScriptReader, tellCall } from "../script.ts";
import { type PastCall, spacedJson } from "../written-calls.ts";
import { anyTool, BLANK } from "./parts.ts";

const DIGIT = set([[0x30, 0x39]]);
const LETTER_OR_DIGIT = set([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);

/** Reads the name of a tool, what follows it and the arguments, and tells the call. @returns false: it is none, or cut short */
export function* readCall(scan: Scanner, { tools, newId }: ReaderContext, after: string): Reading<boolean> {
  const found = yield* scan.oneOf(tools.map((tool) => tool.function.name + after));
  if (found === undefined) return false;
  return yield* tellCall(scan, found.slice(0, found.length - after.length), newId());
}

export interface ListMarks extends CallNames {
  readonly open: string;
  /** Behind the list; empty: nothing. */
  readonly close: string;
  /** A member before the name, which holds some number in quotes. */
  readonly number?: string;
  /** A member behind the arguments, which holds some word and may be missing. */
  readonly id?: string;
}

export function jsonList(marks: ListMarks): CallFormat {
  const behind = (grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression => {
    const call = anyTool(tools, (tool) => objectOf(marks, tool, grammar));
    const list = severalCalls(grammar, call, sequence(text(","), BLANK), parallel);
    return sequence(BLANK, text("["), BLANK, list, BLANK, text(`]${marks.close}`));
  };
  return {
    triggers: () => [{ text: marks.open }],
    behind,
    whole: (grammar, tools, parallel) => sequence(text(marks.open), behind(grammar, tools, parallel)),
    write: (calls) =>
      meant(marks.open) + spacedJson(calls.map((call, i) => listed(marks, call, i))) + (marks.close === "" ? "" : meant(marks.close)),
    reader: (_, context) => new ScriptReader((scan) => readList(scan, marks, context)),
  };
}

function objectOf(marks: ListMarks, tool: Tool, grammar: CallGrammar): Expression {
  const number = marks.number === undefined ? EMPTY : sequence(text(`"${marks.number}": "`), repeat(DIGIT, 1, 4), text('", '));
  const name = text(`"${marks.name}": ${JSON.stringify(tool.function.name)}, "${marks.arguments}": `);
  const id = marks.id === undefined ? EMPTY : optional(sequence(text(`, "${marks.id}": "`), repeat(LETTER_OR_DIGIT, 1, 40), text('"')));
  return sequence(text("{"), number, name, grammar.arguments(tool), id, text("}"));
}

function listed({ number, name, arguments: args }: ListMarks, call: PastCall, index: number): object {
  return { ...(number !== undefined && { [number]: String(index) }), [name]: call.name, [args]: call.arguments };
}

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
