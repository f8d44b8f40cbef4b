/**
 * Calls whose arguments are a JSON object: its reading, and lists of `{"name": …, "arguments": {…}}` under whatever names. Called by the
 * files of those formats.
 */
import type { Tool } from "../../../contract/generation.ts";
import { EMPTY, type Expression, sequence, text } from "../../../grammar/expression.ts";
import type { CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import { callReader, type Scan, type Script } from "../scan.ts";
import { isJson } from "../value-kind.ts";
import { anyTool, BLANK } from "./parts.ts";

/** Reads the name of a tool, what follows it and the arguments, and tells the call. @returns false: it is none, or cut short */
export function* readCall(scan: Scan, { tools, newId }: ReaderContext, after: string): Script<boolean> {
  const found = yield* scan.oneOf(tools.map((tool) => tool.function.name + after));
  if (found === undefined) return false;
  yield* scan.spaces();
  if ((yield* scan.peek()) !== "{") return false;
  scan.tell({ kind: "call", name: found.slice(0, found.length - after.length), id: newId() });
  const whole = yield* scan.json((text) => scan.tell({ kind: "arguments", text }));
  if (whole) scan.tell({ kind: "end" });
  return whole;
}

export interface ListMarks {
  /** What may begin a list; the first is what a required call begins with. */
  readonly open: readonly string[];
  /** Behind the list; empty: nothing. */
  readonly close: string;
  readonly name: string;
  readonly arguments: string;
  /** A property before the name, which holds some number in quotes. */
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
    reader: (_, context) => callReader((scan) => readList(scan, marks, context)),
  };
}

function objectOf(marks: ListMarks, tool: Tool, grammar: CallGrammar): Expression {
  const id = marks.id === undefined ? EMPTY : sequence(text(`"${marks.id}": "`), grammar.share(DIGITS), text('", '));
  const name = text(`"${marks.name}": ${JSON.stringify(tool.function.name)}, "${marks.arguments}": `);
  return sequence(text("{"), id, name, grammar.arguments(tool), text("}"));
}

const DIGITS: Expression = { kind: "repeat", item: { kind: "set", ranges: [[48, 57]] }, min: 1, max: 4 };

function* readList(scan: Scan, marks: ListMarks, context: ReaderContext): Script<boolean> {
  let next = yield* scan.next(["["]);
  if (next === undefined) return false;
  while (next !== "]") {
    if (!(yield* readObject(scan, marks, context))) return false;
    next = yield* scan.next([",", "]"]);
    if (next === undefined) return false;
  }
  // Without a grammar the mark may be missing: the calls are over all the same.
  if (marks.close !== "") yield* scan.next([marks.close]);
  return scan.told;
}

function* readObject(scan: Scan, marks: ListMarks, { tools, newId }: ReaderContext): Script<boolean> {
  let next = yield* scan.next(["{"]);
  let name: string | undefined;
  let hasArguments = false;
  while (next !== "}") {
    if (next === undefined) return false;
    const key = yield* readString(scan);
    if (key === undefined || (yield* scan.next([":"])) === undefined) return false;
    if (key === marks.name) {
      name = yield* readString(scan);
      if (!tools.some((tool) => tool.function.name === name)) return false;
    } else if (key === marks.arguments) {
      yield* scan.spaces();
      if (name === undefined || hasArguments || (yield* scan.peek()) !== "{") return false;
      hasArguments = true;
      scan.tell({ kind: "call", name, id: newId() });
      if (!(yield* scan.json((text) => scan.tell({ kind: "arguments", text })))) return false;
    } else if ((yield* readString(scan)) === undefined) return false;
    next = yield* scan.next([",", "}"]);
  }
  if (name === undefined) return false;
  if (!hasArguments) {
    scan.tell({ kind: "call", name, id: newId() });
    scan.tell({ kind: "arguments", text: "{}" });
  }
  scan.tell({ kind: "end" });
  return true;
}

function* readString(scan: Scan): Script<string | undefined> {
  yield* scan.spaces();
  if ((yield* scan.peek()) !== '"') return undefined;
  let json = "";
  const whole = yield* scan.json((text) => {
    json += text;
  });
  return whole && isJson(json) ? JSON.parse(json) : undefined;
}
