/**
 * Kimi K2, as in docs/tool_call_guidance.md of moonshotai/Kimi-K2-Instruct on Hugging Face.
 *
 *     <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|><|tool_calls_section_end|>
 *
 * The name that a call has there counts the calls of a conversation; the template makes it anew, so it is no id for clients.
 */
import type { Tool } from "../../../contract/generation.ts";
import { type Expression, repeat, sequence, set, text } from "../../../grammar/expression.ts";
import type { AnswerFormat, CallGrammar, ReaderContext } from "../format.ts";
import { severalCalls } from "../json-calls.ts";
import type { Reading, Scanner } from "../scanner.ts";
import { ScriptReader, tellCall } from "../script.ts";
import { anyTool } from "./parts.ts";

const OPEN = "<|tool_calls_section_begin|>";
const CLOSE = "<|tool_calls_section_end|>";
const CALL = "<|tool_call_begin|>";
const ARGUMENTS = "<|tool_call_argument_begin|>";
const CALL_END = "<|tool_call_end|>";

function behind(grammar: CallGrammar, tools: readonly Tool[], parallel: boolean): Expression {
  const number = grammar.share(repeat(set([[48, 57]]), 1, 4));
  const call = anyTool(tools, (tool) =>
    sequence(text(`${CALL}functions.${tool.function.name}:`), number, text(ARGUMENTS), grammar.arguments(tool), text(CALL_END)),
  );
  return sequence(severalCalls(grammar, call, text(""), parallel), text(CLOSE));
}

function* read(scan: Scanner, { tools, newId }: ReaderContext): Reading<boolean> {
  for (;;) {
    const mark = yield* scan.next([CALL, CLOSE]);
    if (mark !== CALL) return mark === CLOSE && scan.told;
    const id = yield* scan.until(ARGUMENTS);
    const name = id
      ?.trim()
      .replace(/^functions\./, "")
      .replace(/:\d+$/, "");
    const tool = tools.find(({ function: each }) => each.name === name);
    if (!tool || !(yield* tellCall(scan, tool.function.name, newId()))) return false;
    if ((yield* scan.next([CALL_END])) === undefined) return false;
    scan.settle();
  }
}

export const KIMI_K2: AnswerFormat = {
  name: "kimi-k2",
  fits: (template) => template.includes(OPEN) && template.includes(CALL),
  markers: [OPEN, CLOSE, CALL, ARGUMENTS, CALL_END, "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
  calls: {
    triggers: () => [{ text: OPEN }],
    behind,
    whole: (grammar, tools, parallel) => sequence(text(OPEN), behind(grammar, tools, parallel)),
    reader: (_, context) => new ScriptReader((scan) => read(scan, context)),
  },
};
