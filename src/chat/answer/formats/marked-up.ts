/**
 * Calls whose arguments stand one by one between marks that look like XML and are none: nothing is escaped. Qwen3-Coder began it, others
 * took it up with other marks. Called by the files of those formats, which say what the marks are.
 *
 *     <tool_call>            open, the trigger
 *     <function=get_weather> before name, after name
 *     <parameter=city>       argument: before its name, after its name
 *     Paris
 *     </parameter>           argument: end
 *     </function>            end
 *     </tool_call>           close
 */
import type { Tool } from "../../../contract/generation.ts";
import { choice, type Expression, sequence, text } from "../../../grammar/expression.ts";
import type { CallFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { ScriptReader } from "../script.ts";
import { anyTool, inOrder, rawText } from "./parts.ts";
import { RawArguments } from "./raw-arguments.ts";

/** Edges of white space are written as they are here; between marks, where no value is, any is read. */
export interface MarkUp {
  readonly open: string;
  readonly beforeName: string;
  readonly afterName: string;
  readonly argument: {
    readonly before: string;
    /** Two where the mark says whether the value is a string. */
    readonly after: string | { readonly string: string; readonly json: string };
    readonly end: string;
    /** Behind it. */
    readonly apart: string;
  };
  readonly end: string;
  /** Empty where `end` is the last mark. */
  readonly close: string;
  /** Several calls stand between `open` and `close`; absent: each has an own pair. */
  readonly together?: true;
  /** What stands between two whole stretches. */
  readonly apart: string;
  /** Models may leave out `open`, and begin with `beforeName`, white space aside. */
  readonly openOptional?: true;
}

export function markedUp(marks: MarkUp): CallFormat {
  const { open, beforeName } = marks;
  /** Behind the first `beforeName`. */
  const stretch = (grammar: CallGrammar, tools: readonly Tool[], parallel: boolean) => {
    const call = anyTool(tools, (tool) => callOf(marks, tool, grammar));
    return sequence(marks.together ? severalCalls(grammar, call, text(beforeName), parallel) : call, text(marks.close));
  };
  return {
    triggers: () => [{ text: open }, ...(marks.openOptional ? [{ text: beforeName.trim() }] : [])],
    behind(grammar, tools, parallel) {
      const rest = grammar.share(stretch(grammar, tools, parallel));
      const full = sequence(text(beforeName), rest);
      return marks.openOptional ? choice(full, rest) : full;
    },
    whole(grammar, tools, parallel) {
      const one = sequence(text(open + beforeName), stretch(grammar, tools, parallel));
      return marks.together ? one : severalCalls(grammar, one, text(marks.apart), parallel);
    },
    reader: (trigger, context) => new ScriptReader((scan) => readStretch(scan, marks, trigger === open, context)),
  };
}

/** Behind `beforeName`. */
function callOf({ afterName, argument, end }: MarkUp, tool: Tool, grammar: CallGrammar): Expression {
  const { before, after } = argument;
  const args = inOrder(grammar.properties(tool), (property) => {
    const mark = typeof after === "string" ? after : property.raw ? after.string : after.json;
    return sequence(text(before + property.name + mark), rawText(property, argument.end, grammar), text(argument.apart));
  });
  return sequence(text(tool.function.name + afterName), args, text(end));
}

function* readStretch(scan: Scanner, marks: MarkUp, opened: boolean, context: ReaderContext): Reading<boolean> {
  const name = marks.beforeName.trim();
  const close = marks.close.trim();
  if (opened && (yield* scan.next([name])) === undefined && !marks.openOptional) return false;
  for (;;) {
    if (!(yield* readCall(scan, marks, context))) return false;
    if (close === "") return true;
    const mark = yield* scan.next(marks.together ? [close, name] : [close]);
    if (mark !== name) return mark !== undefined;
  }
}

function* readCall(scan: Scanner, { afterName, argument, end }: MarkUp, { tools, newId }: ReaderContext): Reading<boolean> {
  const after = afterName.trimEnd();
  const name = yield* scan.oneOf(tools.map((tool) => tool.function.name + after));
  const tool = tools.find((each) => each.function.name + after === name);
  if (!tool) return false;
  // If neither an argument nor the end follows, the name was only the beginning of another one.
  const marks = [argument.before, end.trim()];
  let mark = yield* scan.next(marks);
  if (mark === undefined) return false;
  scan.tell({ kind: "call", name: tool.function.name, id: newId() });
  const args = new RawArguments(scan, tool);
  for (; mark === argument.before; mark = yield* scan.next(marks)) if (!(yield* readArgument(scan, argument, args))) return false;
  if (mark !== undefined) args.close();
  return mark !== undefined;
}

function* readArgument(scan: Scanner, { after, end }: MarkUp["argument"], args: RawArguments): Reading<boolean> {
  let name = "";
  // No value stands between two marks, so white space there does not matter.
  const [first, ...others] = typeof after === "string" ? after.split(/(?<=>)\s*(?=<)/) : [];
  const marks = typeof after === "string" ? [first!] : [after.string, after.json];
  const mark = yield* scan.stream(marks, (text) => {
    name += text;
  });
  if (mark === undefined) return false;
  for (const other of others) if ((yield* scan.next([other])) === undefined) return false;
  if (typeof after === "string") return yield* args.read(name, end);
  return yield* args.read(name, end, mark === after.string);
}
