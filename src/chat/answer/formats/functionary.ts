/**
 * Functionary of MeetKai (github.com/MeetKai/functionary, chat templates of v3.1 and v3.2). v3.1 and other tunes of Llama 3 put a call between
 * marks; v3.2 begins each part of an answer with whom it is for, and its prompt ends with `>>>`.
 *
 *     v3.1  <function=NAME>{…}</function>
 *     v3.2  all\n… >>>NAME\n{…}
 */
import { sequence, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { AnswerScript, ScriptReader, tellCall } from "../script.ts";
import { readCall } from "./json-list.ts";
import { anyTool } from "./parts.ts";

const OPEN = "<function=";
const CLOSE = "</function>";
const TO = ">>>";

function* readMarked(scan: Scanner, context: ReaderContext): Reading<boolean> {
  if (!(yield* readCall(scan, context, ">"))) return false;
  return (yield* scan.next([CLOSE])) !== undefined;
}

export const FUNCTIONARY_3_1: AnswerFormat = {
  name: "functionary-v3.1",
  fits: (template) => template.includes(OPEN) && template.includes(CLOSE) && !template.includes("<parameter"),
  markers: [],
  calls: {
    triggers: () => [{ text: OPEN }],
    behind: (grammar, tools) => anyTool(tools, (tool) => sequence(text(`${tool.function.name}>`), grammar.arguments(tool), text(CLOSE))),
    whole(grammar, tools, parallel) {
      const call = anyTool(tools, (tool) => sequence(text(`${OPEN}${tool.function.name}>`), grammar.arguments(tool), text(CLOSE)));
      return severalCalls(grammar, call, text(""), parallel);
    },
    reader: (_, context) => new ScriptReader((scan) => readMarked(scan, context)),
  },
};

function* readParts(scan: Scanner, context: ReaderContext): Reading<void> {
  const recipients = ["all", ...context.tools.map((tool) => tool.function.name)].map((name) => `${name}\n`);
  const marks = recipients.map((recipient) => TO + recipient);
  let mark = yield* scan.next([...recipients, ...marks]);
  for (;;) {
    const recipient = mark?.replace(TO, "") ?? "";
    if (recipient !== "" && recipient !== "all\n") {
      yield* readPart(scan, recipient, context);
      mark = yield* scan.next(marks);
      if (mark !== undefined) continue;
    }
    mark = yield* scan.stream(marks, (part) => scan.tell({ kind: "text", text: part }));
    if (mark === undefined) return;
  }
}

/** What is for a tool and holds no arguments is text. */
function* readPart(scan: Scanner, recipient: string, { newId }: ReaderContext): Reading<void> {
  if ((yield* scan.peek()) !== "{") return scan.tell({ kind: "text", text: recipient });
  yield* tellCall(scan, recipient.trimEnd(), newId());
}

export const FUNCTIONARY_3_2: AnswerFormat = {
  name: "functionary-v3.2",
  fits: (template) => template.includes(">>>all") || template.includes(`${TO}\${recipient}`),
  markers: [],
  calls: {
    // The name belongs to the trigger, since `>>>` alone begins lines of Python too.
    triggers: (tools) =>
      tools.flatMap(({ function: { name } }) => [
        { text: `${name}\n`, atStart: true, written: `${name}\n` },
        { text: `${TO}${name}\n`, written: `${name}\n` },
      ]),
    behind: (grammar, tools) => anyTool(tools, (tool) => sequence(text(`${tool.function.name}\n`), grammar.arguments(tool))),
    whole(grammar, tools, parallel) {
      const call = anyTool(tools, (tool) => sequence(text(`${tool.function.name}\n`), grammar.arguments(tool)));
      return severalCalls(grammar, call, text(TO), parallel);
    },
  },
  reader: (context) => new AnswerScript((scan) => readParts(scan, context)),
};
